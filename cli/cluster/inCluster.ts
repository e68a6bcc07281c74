import { KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { type ApiServer, apiServer, type Limits } from './api.ts';

/** Where Kubernetes puts what a container needs for the API server. */
const folder: HostPath = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The API server as a container of the cluster reaches it, with the token that its pod gives it. Throws `node-pod-environment`. */
export async function inCluster(host: HostView, signal?: AbortSignal, limits?: Limits): Promise<ApiServer> {
  const [name, port] = [host.env['KUBERNETES_SERVICE_HOST'] ?? '', host.env['KUBERNETES_SERVICE_PORT'] ?? ''];
  if (!/^[A-Za-z0-9.:-]{1,253}$/.test(name)) throw missing('KUBERNETES_SERVICE_HOST', 'the address of the API server');
  if (!/^\d{1,5}$/.test(port)) throw missing('KUBERNETES_SERVICE_PORT', 'the port of the API server');
  const ca = await secret(host, 'ca.crt');
  await bearer(host);
  const server = `https://${name.includes(':') ? `[${name}]` : name}:${port}`;
  return apiServer({ server, tls: { ca }, headers: () => bearer(host) }, signal, limits);
}

/** The kubelet replaces the token before it expires. */
async function bearer(host: HostView): Promise<{ authorization: string }> {
  const token = await secret(host, 'token');
  if (!/^[\w.~+/=-]{1,16384}$/.test(token)) throw missing(`${folder}/token`, 'a token');
  return { authorization: `Bearer ${token}` };
}

async function secret(host: HostView, name: string): Promise<string> {
  const text = (await host.readText(`${folder}/${name}`, 'request'))?.trim() ?? '';
  if (text === '') throw missing(`${folder}/${name}`, 'what Kubernetes puts there');
  return text;
}

/** Names, and says nothing of what is there: it may be a secret. */
export function missing(name: string, needed: string): KataError {
  return new KataError('node-pod-environment', {
    subject: name,
    found: `${name} is missing, or is not what it should be`,
    needed,
    next: 'use the pod as kata-sysext generate kubernetes writes it',
  });
}
