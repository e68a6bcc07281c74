import { resolve } from 'node:path';
import { isOci, ociReference } from '../../download/oci/reference.ts';
import { KataError } from '../../errors/index.ts';
import { architectureOf } from '../../facts/index.ts';
import type { Digest, HostView } from '../../host/index.ts';
import type { Call } from '../types.ts';
import { fetchingOf } from './addresses.ts';

interface Sources {
  sources: string[];
  digests: (Digest | undefined)[];
  /** By position: what the layer of an artefact calls itself. */
  names?: (string | undefined)[];
}

/**
 * The sources and digests of a command where words such as oci:FOLDER@sha256:HEX are what their manifests say.
 * `machine`: the architecture of the hosts that it is for, as `uname -m` says it. Throws `usage`, `oci-unfit`, `download-failed`,
 * `download-refused`.
 */
export async function withArtefacts(
  call: Call,
  { sources, digests }: Sources,
  machine: () => Promise<string | undefined>,
): Promise<Sources> {
  if (!sources.some(isOci)) return { sources, digests };
  const { resolveOci } = await import('../../download/oci/index.ts');
  const { signal, emit } = call.context;
  const options = { ...fetchingOf(call), cacheDir: undefined, signal, tell: (text: string) => emit({ kind: 'warning', text }) };
  const found: { source: string; digest: Digest | undefined; name?: string | undefined }[] = [];
  for (const [index, source] of sources.entries()) {
    const named = digests[index];
    const reference = isOci(source) ? ociReference(source, (path) => resolve(call.io.cwd, path)) : undefined;
    const one = reference === undefined ? { source, digest: named } : await resolveOci(reference, options, machine);
    if (named !== undefined && one.digest !== named) throw otherDigest(one.source, one.digest, named);
    found.push(one);
  }
  return {
    sources: found.map(({ source }) => source),
    digests: found.map(({ digest }) => digest),
    names: found.map(({ name }) => name),
  };
}

/** The same where only the words are checked: no registry is asked. Throws `usage`. */
export async function asWritten(call: Call, given: Sources): Promise<Sources> {
  for (const source of given.sources) if (isOci(source)) ociReference(source, (path) => resolve(call.io.cwd, path));
  return given;
}

/** Of a host or a tree; undefined where it cannot be known. */
export async function machineOf(host: HostView): Promise<string | undefined> {
  const architecture = await architectureOf(host);
  return architecture.known ? architecture.value : undefined;
}

function otherDigest(source: string, found: Digest | undefined, wanted: Digest): KataError {
  return new KataError('bundle-digest', {
    subject: source,
    found: `the layer of ${source} has the digest ${found}`,
    needed: `the digest ${wanted}`,
    next: 'name the digest of the layer, or no --digest: that of the manifest, behind @, is enough',
  });
}
