import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { isAddress } from '../download/address.ts';
import { KataError } from '../errors/index.ts';
import { readArchive } from './archive.ts';
import { readFolder } from './folder.ts';
import { countOf } from './limits.ts';
import { type Receiver, versionPath } from './receive.ts';
import type { Watch } from './sourceBytes.ts';
import { emptyTree } from './tree.ts';
import type { SourceRecord } from './types.ts';
import { writerInto } from './writer.ts';

interface Failed {
  path: string;
  index: number;
  receiver: Receiver;
  /** Those before it. */
  sources: SourceRecord[];
  watch: Watch;
}

/** Two sources that claim one path with different bytes are, most often, of different releases: then that is said. Throws always. */
export async function orMixed(error: unknown, { path, index, receiver, sources, watch }: Failed): Promise<never> {
  if (!(error instanceof KataError) || error.code !== 'bundle-member-duplicate') throw error;
  if (receiver.savedNames.size > 1 && error.complaint.details?.['member'] === versionPath)
    throw mixedInside([...receiver.savedNames.values()], error);
  if (index === 0) throw error;
  // It would be downloaded once more.
  if (isAddress(path)) throw error;
  // The source may end before its VERSION comes, or that is what differs.
  const own = await versionIn(path, watch).catch(() => undefined);
  const said = [...sources.map(({ name }, at) => ({ name, version: receiver.versions.get(at) })), { name: basename(path), version: own }];
  refuseMixed(said, error);
  throw error;
}

/** Archives in one saved bundle whose VERSION differs. */
function mixedInside(names: string[], cause: unknown): KataError {
  return new KataError('bundle-mixed', {
    subject: names.join(', '),
    found: `archives of different releases: ${names.join(', ')}`,
    needed: 'archives of one release',
    next: 'save each release in a bundle of its own: kata-sysext bundle save',
    cause,
  });
}

/** Throws `bundle-mixed` for sources that say they are of different releases. */
export function refuseMixed(said: { name: string; version: string | undefined }[], cause?: unknown): void {
  const known = said.filter(({ version }) => version !== undefined);
  const versions = [...new Set(known.map(({ version }) => version))];
  if (versions.length < 2) return;
  throw new KataError('bundle-mixed', {
    subject: said.map(({ name }) => name).join(', '),
    found: `archives of different releases: ${known.map(({ name, version }) => `${name} is Kata ${version}`).join(', ')}`,
    needed: 'archives of one release',
    next: `fetch all of them from one release page: that of ${versions.join(', or that of ')}`,
    details: { versions: known },
    cause,
  });
}

/** What a source says in its VERSION; undefined where it has none. */
async function versionIn(path: string, watch: Watch): Promise<string | undefined> {
  const receiver: Receiver = {
    tree: emptyTree(),
    // Nothing is kept, so nothing is written.
    writer: writerInto('/nonexistent'),
    keep: () => false,
    tell: (name) => name === versionPath,
    entries: new Map(),
    machines: new Map(),
    texts: new Map(),
    textCount: countOf(basename(path)),
    services: new Map(),
    versions: new Map(),
    savedNames: new Map(),
    skippedFiles: 0,
    skippedBytes: 0,
  };
  const read = (await stat(path)).isDirectory() ? readFolder : readArchive;
  await read(path, 0, receiver, watch);
  return receiver.versions.get(0);
}
