import { KataError } from '../../errors/index.ts';
import type { Digest } from '../../host/types.ts';

/** An artefact, named by the digest of its manifest: in a folder that has the OCI image layout, or in a registry. */
export type OciReference =
  | { kind: 'layout'; folder: string; manifest: Digest }
  | { kind: 'registry'; host: string; repository: string; manifest: Digest };

export type Registry = Extract<OciReference, { kind: 'registry' }>;

const maxWord = 4096;
const behindAt = /^(.*)@(sha256:[0-9a-f]{64})$/s;
/** OCI distribution specification 1.1, “Pulling manifests”; a host has at most 253 signs, and a repository 255 together with it. */
const repository = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;
const hostName = /^[a-z0-9](?:[a-z0-9-.]{0,251}[a-z0-9])?(?::\d{1,5})?$/;

/** Whether a word of the command line names an artefact. A file of such a name is typed ./oci:… */
export function isOci(word: string): boolean {
  return word.startsWith('oci:');
}

/** @param resolve makes a real path of a folder's name. Throws `usage`. */
export function ociReference(word: string, resolve: (path: string) => string): OciReference {
  const [, name = '', digest = ''] = (word.length <= maxWord ? behindAt.exec(word.slice('oci:'.length)) : null) ?? [];
  const manifest = digest as Digest;
  if (digest === '') throw usage(word, 'without the digest of its manifest');
  if (!name.startsWith('//')) {
    if (name === '' || name.includes('\0')) throw usage(word, 'without a folder');
    return { kind: 'layout', folder: resolve(name), manifest };
  }
  const slash = name.indexOf('/', 2);
  const [host, path] = slash < 0 ? ['', ''] : [name.slice(2, slash), name.slice(slash + 1)];
  if (!hostName.test(host) || path.length > 255 || !repository.test(path))
    throw usage(word, 'with a registry or a repository of no usual name');
  return { kind: 'registry', host, repository: path, manifest };
}

export function shownReference({ manifest, ...rest }: OciReference): string {
  return rest.kind === 'layout' ? `oci:${rest.folder}@${manifest}` : `oci://${rest.host}/${rest.repository}@${manifest}`;
}

/** A password may be in it: only its beginning is repeated. */
function usage(word: string, what: string): KataError {
  return new KataError('usage', {
    subject: word.startsWith('oci://') ? 'oci://' : 'oci:',
    found: `an artefact ${what}`,
    needed: 'oci:FOLDER@sha256:HEX, or oci://HOST/REPOSITORY@sha256:HEX',
    next: 'oras resolve HOST/REPOSITORY:TAG; skopeo inspect oci:FOLDER:TAG',
  });
}
