import { parseJson } from '../../documents/index.ts';
import { misfitOf, tableOf, textLike } from '../../documents/shapes.ts';
import { commandWord, type KataError } from '../../errors/index.ts';
import { refused } from '../complaints.ts';
import type { Credentials, DownloadRequest } from '../types.ts';
import { type Login, loginFor } from './login.ts';
import type { Registry } from './reference.ts';

/** Gives the bytes of a small file. */
export type ReadWhole = (request: DownloadRequest, most: number) => Promise<Buffer>;

/** Where a registry has a manifest or a layer (OCI distribution specification 1.1, “Pull”). */
export function addressIn({ host, repository }: Registry, kind: 'manifests' | 'blobs', digest: string): string {
  return `https://${host}/v2/${repository}/${kind}/${digest}`;
}

const maxTokenBytes = 64 * 1024;
/** The token of RFC 6750: what a header can have. */
const token = textLike<string>('a token', /^[A-Za-z0-9._~+/-]{1,32000}=*$/);

/**
 * What a registry gets that asks who downloads: a name and a password where the file of the request has them for it, in the header or at the
 * https address of its challenge, for a token (distribution's “Token Authentication Specification”); else a token for everybody. What a token
 * may be used for is said here, and not by the registry. Throws `usage`; later `download-refused`.
 */
export async function credentialsFor(registry: Registry, request: DownloadRequest, readWhole: ReadWhole): Promise<Credentials> {
  const login = request.registryAuth === undefined ? undefined : await loginFor(registry, request.registryAuth);
  let header: string | undefined;
  const denied = () =>
    unauthorized(
      registry,
      request,
      login,
      login === undefined ? 'does not give it to everybody' : `does not take the name and the password that ${login.file} has for it`,
    );
  return {
    header: () => header,
    async renew(challenge) {
      if (login !== undefined && /^basic /i.test(challenge)) {
        ({ header } = login);
        return;
      }
      const { realm, service } = parametersOf(challenge);
      if (realm === undefined || !URL.canParse(realm) || new URL(realm).protocol !== 'https:')
        throw unauthorized(registry, request, login, 'wants to know who asks, and names no https address for a token');
      const url = new URL(realm);
      url.username = '';
      url.password = '';
      if (service !== undefined) url.searchParams.set('service', service);
      url.searchParams.set('scope', `repository:${registry.repository}:pull`);
      // Neither the digest nor the cache of what the token is for.
      const same = { ...request, digest: undefined, cacheDir: undefined, accept: undefined };
      const credentials = login && { header: () => login.header, renew: () => Promise.reject(denied()), refused: denied };
      header = `Bearer ${tokenOf(await readWhole({ ...same, address: url.href, credentials }, maxTokenBytes), url.href)}`;
    },
    refused: denied,
  };
}

/** @param login what the registry was to get */
function unauthorized(registry: Registry, { registryAuth }: DownloadRequest, login: Login | undefined, why: string): KataError {
  const { host, repository, manifest } = registry;
  const lacks = login === undefined && registryAuth !== undefined ? `; ${registryAuth} has no entry for ${host}` : '';
  return refused(
    addressIn(registry, 'manifests', manifest),
    `the registry ${why}${lacks}`,
    login === undefined
      ? 'an artefact that everybody may read, or a name and a password'
      : `a name and a password that may read ${repository}`,
    login === undefined
      ? `podman login --authfile FILE ${host}; then add: --registry-auth FILE`
      : `podman login --authfile ${commandWord(login.file)} ${host}`,
  );
}

/** Of 'Bearer realm="…",service="…"'. */
function parametersOf(challenge: string): { realm?: string | undefined; service?: string | undefined } {
  if (!/^bearer /i.test(challenge)) return {};
  const named = (name: string) => new RegExp(`[ ,]${name}="([^"]{1,1000})"`, 'i').exec(challenge.slice(0, 8192))?.[1];
  return { realm: named('realm'), service: named('service') };
}

function tokenOf(content: Buffer, address: string): string {
  let value: unknown;
  try {
    value = parseJson(content.toString(), { maxBytes: maxTokenBytes });
  } catch {
    value = undefined;
  }
  for (const key of ['token', 'access_token'] as const)
    if (misfitOf(tableOf({ [key]: token }), value) === undefined) return (value as Record<typeof key, string>)[key];
  throw refused(address, 'it gives no token', 'a registry that keeps to the token authentication of distribution');
}
