/**
 * Replaces the package node-fetch in builds. The client library of Kubernetes loads it for requests that kata-sysext sends in its own way, and
 * it brings 300 KB of tables for host names. Node's own fetch is no substitute: it needs WebAssembly, which the program runs without.
 */
export default function fetch(): never {
  throw new Error('no request is sent with fetch');
}

export const Headers: new () => object = Object;
