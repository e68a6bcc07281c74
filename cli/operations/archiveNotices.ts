import { KataError } from '../errors/index.ts';
import type { Architecture } from '../facts/index.ts';
import { byBytes, type Digest } from '../host/index.ts';
import { releaseOf } from '../layout/index.ts';
import type { Emit } from '../output/index.ts';
import type { Notice } from '../sbom/index.ts';

export interface ArchivesRequest {
  /** Real paths of the archives, or of one file that `bundle save` made. */
  sources: string[];
  archives: { name: string; digest: Digest; sizeBytes: number }[];
  /** The single file that is passed on with them. */
  program?: { name: string; digest: Digest; sizeBytes: number } | undefined;
  architecture?: Architecture | undefined;
  /** Of kata-sysext. */
  version: string;
  /** Of SPDX; default: 2.3. */
  spdx?: '2.2' | '2.3';
  emit: Emit;
  signal: AbortSignal;
}

/** What is passed on with archives: they are read as an installation would read them, and nothing is written. Throws the codes of reading. */
export async function archiveNotices({ sources, emit, signal, ...request }: ArchivesRequest): Promise<Notice[]> {
  emit({ kind: 'phase', name: 'unpack', detail: 'looking for the components of the release' });
  const [{ readBundles }, { releaseNotices, versionsName }] = await Promise.all([import('../bundle/index.ts'), import('../sbom/index.ts')]);
  const bundle = await readBundles({
    sources,
    // Nothing is written.
    into: '/dev/null',
    keep: () => false,
    tell: (path) => path === versionsName,
    emit,
    signal,
  });
  return releaseNotices({
    ...request,
    release: releaseOf(bundle),
    architecture: request.architecture ?? architectureOf(request.archives.map(({ name }) => name)),
    paths: [...bundle.listing].flatMap(([path, { kind }]) => (kind === 'file' ? [path] : [])).sort(byBytes),
    versions: bundle.texts?.get(versionsName),
  });
}

/** For archives that may be no release: then there is nothing to say of them, and the reason is a warning. */
export async function noticesIfRelease(request: ArchivesRequest): Promise<Notice[]> {
  try {
    return await archiveNotices(request);
  } catch (error) {
    if (!(error instanceof KataError) || error.code === 'interrupted') throw error;
    request.emit({ kind: 'warning', text: `without SPDX document and licences: ${error.complaint.found}` });
    return [];
  }
}

const architectureWords: Record<string, Architecture> = { amd64: 'x86_64', arm64: 'aarch64', s390x: 's390x', ppc64le: 'ppc64le' };

/** As Kata names its archives: 'kata-static-4.1.0-amd64.tar.zst'. */
function architectureOf(names: string[]): Architecture | undefined {
  const words = new Set(names.flatMap((name) => /-(amd64|arm64|s390x|ppc64le)\./.exec(name)?.[1] ?? []));
  return words.size === 1 ? architectureWords[[...words][0]!] : undefined;
}
