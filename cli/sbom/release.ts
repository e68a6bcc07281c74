import type { Architecture } from '../facts/index.ts';
import type { Digest } from '../host/types.ts';
import { componentsOf } from './components.ts';
import { type Notice, noticesOf } from './notices.ts';
import { componentPackages, contains, hexOf, namedText } from './packages.ts';
import type { SpdxInput, SpdxPackage } from './spdx.ts';
import { licenceTable } from './table.ts';
import { readVersions } from './versions.ts';

export interface ReleaseRequest {
  release: string;
  architecture?: Architecture | undefined;
  /** Files in the archives, by their paths in the release. */
  paths: string[];
  /** The text of versions.yaml. */
  versions: string | undefined;
  archives: { name: string; digest: Digest; sizeBytes: number }[];
  program?: { name: string; digest: Digest } | undefined;
  /** Version of this program. */
  version: string;
  /** Default: 2.3. */
  spdx?: SpdxInput['version'] | undefined;
}

/**
 * What is passed on with archives as Kata publishes them: an SPDX document of archives and components, the texts of licences, the list of
 * sources, and a written offer. The archives are not unpacked, so that the document has no files. Its time is 1970, the same for the same
 * archives.
 */
export async function releaseNotices(request: ReleaseRequest): Promise<Notice[]> {
  const { release, architecture, paths, archives } = request;
  const versions = await readVersions(request.versions);
  const facts = { paths, release, architecture, versions };
  const subject = archives.map(({ name, digest }) => `archive ${name} ${digest}`).join(', ');
  const text = namedText(inputOf(request, componentsOf(facts)));
  return [{ name: 'kata.spdx.json', text }, ...noticesOf(facts, subject)];
}

function inputOf(
  { release, archives, program, version, spdx = '2.3' }: ReleaseRequest,
  components: ReturnType<typeof componentsOf>,
): Omit<SpdxInput, 'namespace'> {
  const { name, supplier } = licenceTable.kata;
  const packaged = componentPackages('release', components, { files: false });
  const files: SpdxPackage[] = archives.map((archive) => ({
    ...{ key: `archive:${archive.name}`, name: archive.name, version: release, supplier, purpose: 'ARCHIVE' as const },
    digests: { sha256: hexOf(archive.digest) },
  }));
  const own: SpdxPackage[] =
    program === undefined
      ? []
      : [{ key: 'program', name: program.name, version, purpose: 'APPLICATION', digests: { sha256: hexOf(program.digest) } }];
  return {
    version: spdx,
    name: `kata-bundle-${release}`,
    createdSeconds: 0,
    creators: [`Tool: kata-sysext-${version}`],
    describes: ['bundle'],
    packages: [
      { key: 'bundle', name: 'kata-sysext-bundle', version: release },
      ...files,
      ...own,
      { key: 'release', name, version: release, supplier },
      ...packaged.packages,
    ],
    relationships: [
      ...[...files, ...own].map(({ key }) => contains('bundle', key)),
      ...files.map(({ key }) => ({ from: 'release', type: 'GENERATED_FROM' as const, to: key })),
      ...packaged.relationships,
    ],
  };
}
