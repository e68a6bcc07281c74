import { isAddress } from '../download/address.ts';
import { didYouMean, KataError } from '../errors/index.ts';
import type { Architecture } from '../facts/index.ts';
import type { Digest } from '../host/index.ts';
import { handlerRow } from '../layout/index.ts';
import type { Catalogue, Release } from './catalogue.ts';
import { isRelease, versionOf } from './word.ts';

/**
 * The release that the words of a command name by its version; undefined where they name files or addresses. Throws `usage` for a release
 * beside other bundles, or with a digest.
 */
export function namedRelease({ sources, digests }: { sources: string[]; digests: (Digest | undefined)[] }): string | undefined {
  const named = sources.find(isRelease);
  if (named === undefined) return undefined;
  if (sources.length > 1)
    throw usage(named, `${named} together with other bundles`, 'the release alone: its archives are chosen by the handlers');
  if (digests.some((digest) => digest !== undefined)) throw usage(named, `--digest with ${named}`, 'no digest: the catalogue has it');
  return named;
}

function usage(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext releases' });
}

export interface Choice {
  /** The whole word. */
  named: string;
  architecture: Architecture;
  /** Handlers by the release's words; undefined: its default. */
  handlers: string[] | undefined;
  /** An https address or a real path of a folder that has the archives; undefined: where Kata publishes them. */
  from: string | undefined;
}

/**
 * The archives of a release that some handlers need, with their digests.
 * Throws `release-unknown` for a release, or an archive of it, that the catalogue does not have.
 */
export function archivesOf(
  catalogue: Catalogue,
  { named, architecture, handlers, from }: Choice,
): { sources: string[]; digests: Digest[] } {
  const version = versionOf(named);
  const release = catalogue.releases.find((each) => each.version === version);
  if (release === undefined) throw unknown(catalogue, version);
  const families = [...new Set((handlers ?? [release.handler]).map((name) => handlerRow(name).family))];
  const archives = families.map((family) => {
    const archive = release.archives.find((each) => each.architecture === architecture && each.families.includes(family));
    return archive ?? lacking(release, `an archive with ${shims[family]} for ${architecture}`);
  });
  const folder = from ?? `${catalogue.origin}/${version}`;
  const sources = archives.map(({ name }) => (isAddress(folder) ? `${folder.replace(/\/+$/, '')}/${name}` : `${folder}/${name}`));
  return { sources, digests: archives.map((archive) => archive.digest) };
}

const shims = { go: 'the Go shim', rust: 'the Rust shim' };

function unknown({ name, releases }: Catalogue, version: string): KataError {
  const versions = releases.map((each) => each.version);
  return new KataError('release-unknown', {
    subject: version,
    found: `the release ${version} is not in the catalogue ${name}${didYouMean(version, versions)}`,
    needed: `one of ${versions.join(', ')}, or the archive itself with its digest`,
    next: 'kata-sysext releases; or: kata-sysext install https://HOST/ARCHIVE --digest sha256:HEX',
  });
}

function lacking({ version, archives }: Release, what: string): never {
  throw new KataError('release-unknown', {
    subject: version,
    found: `${what} of Kata ${version} is not in the catalogue; it has ${archives.map(({ name }) => name).join(', ')}`,
    needed: 'the archive itself with its digest',
    next: 'kata-sysext install https://HOST/ARCHIVE --digest sha256:HEX',
  });
}
