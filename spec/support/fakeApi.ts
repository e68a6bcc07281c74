import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { authority, serveTls, type TlsServer } from './tlsServer.ts';
import { scratch } from './trees/treeHost.ts';

export interface Asked {
  method: string;
  /** With its query. */
  path: string;
  accept: string;
  type: string;
  authorization: string;
  body: unknown;
}

export interface FakeApi extends TlsServer {
  asked: Asked[];
  /** The environment and the files by which a container finds it: `root` gets the files. */
  pod(root: string, token?: string): Record<string, string>;
}

/** What is answered: a JSON value, or what the caller writes. */
export type Answered = { status?: number; json: unknown } | ((response: ServerResponse) => unknown);

/** A stand-in for an API server, over loopback: it answers what a spec wants, and judges nothing. spec/cluster has the real one. */
export async function fakeApi(answer: (asked: Asked) => Answered): Promise<FakeApi> {
  const all: Asked[] = [];
  const server = await serveTls((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => {
      text += part.toString();
    });
    request.on('end', () => {
      const { accept = '', authorization = '', 'content-type': type = '' } = request.headers;
      const { method = '', url: path = '' } = request;
      const asked = { method, path, accept, type, authorization, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
      all.push(asked);
      const answered = answer(asked);
      if (typeof answered === 'function') return answered(response);
      response.writeHead(answered.status ?? 200, { 'content-type': 'application/json' });
      return response.end(JSON.stringify(answered.json));
    });
  });
  const pod = (root: string, token = 'token-of-the-pod') => {
    const folder = join(root, 'var/run/secrets/kubernetes.io/serviceaccount');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'token'), `${token}\n`);
    copyFileSync(authority, join(folder, 'ca.crt'));
    return { KUBERNETES_SERVICE_HOST: 'localhost', KUBERNETES_SERVICE_PORT: String(server.port) };
  };
  return { ...server, asked: all, pod };
}

/** A kubeconfig for a server, in a folder of its own. */
export function kubeconfigFor(server = 'https://localhost:1', user: object = { token: 'of-anna' }): string {
  const path = join(scratch('fleet'), 'config');
  const config = {
    clusters: [{ name: 'lab', cluster: { server, 'certificate-authority': authority } }],
    users: [{ name: 'anna', user }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'anna' } }],
    'current-context': 'lab',
  };
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}
