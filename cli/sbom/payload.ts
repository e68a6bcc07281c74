import type { SourceRecord, TreeEntry } from '../bundle/types.ts';
import type { Architecture } from '../facts/index.ts';
import type { Digest } from '../host/types.ts';
import { componentsOf } from './components.ts';
import { noticesOf } from './notices.ts';
import { componentPackages, fileKey, hexOf, namedText } from './packages.ts';
import { licencePlace, sbomPlace } from './places.ts';
import type { SpdxFile, SpdxPackage, SpdxRelationship, SpdxVersion } from './spdx.ts';
import { licenceTable } from './table.ts';
import { readVersions } from './versions.ts';

/** A file of a payload. */
export interface SbomEntry extends Pick<TreeEntry, 'path' | 'digest'> {
  /** In hexadecimal. */
  sha1: string;
}

export interface SbomRequest {
  /** What the document is about, in a word: the name of an extension. */
  name: string;
  release: string;
  architecture?: Architecture | undefined;
  payload: Digest;
  /** Its files. */
  files: SbomEntry[];
  sources: Pick<SourceRecord, 'name' | 'digest'>[];
  /** The text of the release's versions.yaml. */
  versions: string | undefined;
  /** Version of this program. */
  program: string;
  /** Seconds: of the generation or of the image. */
  createdSeconds: number;
}

/**
 * The SPDX document of a payload: a package for it, one for each component in it with its files, one for what is known to be inside of
 * those, and one for each archive that it was made of. What the release does not say is NOASSERTION.
 */
export async function payloadSbom(version: SpdxVersion, request: SbomRequest): Promise<string> {
  const { release, architecture, files } = request;
  const versions = await readVersions(request.versions);
  const components = componentsOf({ paths: files.map(({ path }) => path), release, architecture, versions });
  const claimed = new Set(components.flatMap(({ paths }) => paths));
  const rest = files.filter(({ path }) => !claimed.has(path)).map(({ path }) => fileKey(path));
  const made = madeOf(request, versions.fault);
  const [payload, ...archives] = made.packages;
  const packaged = componentPackages('payload', components, { files: true });
  return namedText({
    version,
    name: `${request.name}-${release}`,
    createdSeconds: request.createdSeconds,
    creators: [`Tool: kata-sysext-${request.program}`],
    describes: ['payload'],
    packages: [{ ...payload!, files: rest }, ...packaged.packages, ...archives],
    files: files.map(spdxFile),
    relationships: [...packaged.relationships, ...made.relationships],
  });
}

/**
 * What is passed on with a payload: its SPDX document (2.2) where scanners look for it, texts of licences, the list of sources, and a written
 * offer to fill in. Paths are below the root of a host.
 */
export async function noticeFiles(request: SbomRequest): Promise<{ path: string; text: string }[]> {
  const { name, release, architecture, payload, files } = request;
  const versions = await readVersions(request.versions);
  const notices = noticesOf({ paths: files.map(({ path }) => path), release, architecture, versions }, `payload ${payload}`);
  return [
    { path: sbomPlace(name), text: await payloadSbom('2.2', request) },
    ...notices.map((notice) => ({ path: `${licencePlace(name)}/${notice.name}`, text: notice.text })),
  ];
}

/** The payload, and the archives that it was made of. */
function madeOf(
  { name, release, payload, sources }: SbomRequest,
  fault: string | undefined,
): { packages: SpdxPackage[]; relationships: SpdxRelationship[] } {
  const { supplier } = licenceTable.kata;
  const archives = sources.map((source, at): SpdxPackage => {
    const key = `source-${at + 1}-${source.name}`;
    return { key, name: source.name, version: release, supplier, digests: { sha256: hexOf(source.digest) }, purpose: 'ARCHIVE' };
  });
  const whole: SpdxPackage = {
    key: 'payload',
    name,
    version: release,
    supplier,
    purpose: 'INSTALL',
    sourceInfo: fault === undefined ? 'versions.yaml of the release, and its files' : `the files of the release; ${fault}`,
    comment: `payload ${payload} of kata-sysext`,
  };
  return {
    packages: [whole, ...archives],
    relationships: archives.map(({ key }) => ({ from: 'payload', type: 'GENERATED_FROM', to: key })),
  };
}

function spdxFile({ path, digest, sha1 }: SbomEntry): SpdxFile {
  return { key: fileKey(path), path, digests: { sha1, sha256: digest === undefined ? undefined : hexOf(digest) } };
}
