import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/index.ts';
import {
  ballastFile,
  type Drawn,
  folderOf,
  generationFolder,
  linksOf,
  manifestsFolder,
  type PayloadManifest,
  programPath,
  readPrograms,
  reservedRoom,
  type Staged,
  stateFolder,
  wholePayload,
} from '../../store/index.ts';
import { reservedBytes, type Step } from '../../transaction/index.ts';
import type { Plan, PlannedWrite } from '../types.ts';
import { keepable, type Runner } from './keepRunning.ts';

/** Something that a change writes to the disk. */
export interface Write {
  what: string;
  /** Where it goes. */
  path: HostPath;
  bytes: number;
  /** Files, folders and links: each takes an inode, and up to a block more than its bytes. */
  entries: number;
  /** It is there already, for example in the staging folder, so that free room shows it. */
  done?: boolean;
  /** It goes again when the change ends, and not before. */
  passes?: boolean;
}

/** As a plan has it: rows of one name on one file system are one. */
export async function shownWrites(host: HostView, writes: Write[]): Promise<Pick<Plan, 'bytesWritten' | 'writes'>> {
  const rows: PlannedWrite[] = [];
  for (const { what, bytes, path } of writes.filter((write) => write.bytes > 0)) {
    const fileSystem = (await host.fileSystem(path)).point;
    const same = rows.find((row) => row.what === what && row.fileSystem === fileSystem);
    if (same === undefined) rows.push({ what, bytes, fileSystem });
    else same.bytes += bytes;
  }
  return { bytesWritten: rows.reduce((sum, { bytes }) => sum + bytes, 0), writes: rows };
}

/**
 * What staging wrote and what sealing writes. Files that an image is made of, and a release that the store has already, are written and
 * removed again.
 */
export function payloadWrites({ manifest, known, passing }: Staged): Write[] {
  const { folder, entries } = wholePayload(manifest);
  const path = posix.dirname(folder);
  const kept: Write = { what: 'payload', path, bytes: filesIn(entries), entries: entries.length, done: true };
  const staged: Write = { what: 'staging', path, bytes: passing.bytes, entries: passing.entries, done: true, passes: known };
  const noted: Write = { what: 'payload', path: manifestsFolder, bytes: jsonBytes(manifest), entries: 1 };
  return known ? [staged] : [staged, kept, noted];
}

export function generationWrites({ manifest, configurations }: Drawn): Write[] {
  const texts = [...configurations.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const links = linksOf(manifest).reduce((sum, [, target]) => sum + Buffer.byteLength(target), 0);
  const entries = 2 + 2 * configurations.size + linksOf(manifest).length;
  return [
    { what: 'generation', path: folderOf(manifest), bytes: texts + links, entries },
    { what: 'generation', path: generationFolder(manifest.number), bytes: jsonBytes(manifest) + recordBytes, entries: 3 },
  ];
}

/** A record names wiring, edited files and what was allowed: its size is known when it is written. */
const recordBytes = 4096;

/** What an installation writes at least, before its archives are unpacked. `unpacked`: what it would unpack, if that is known. */
export async function expectedOf(
  runner: Runner,
  { backend, root, image, unpacked }: { backend: string; root: HostPath; image: boolean; unpacked?: { bytes: number; entries: number } },
): Promise<Write[]> {
  const rest = [...(await programWrites(runner, backend, 'always')), ...expectedWrites(root)];
  if (unpacked === undefined) return rest;
  const staging: Write = { what: 'staging', path: root, ...unpacked };
  // Of an image no more is known than that it is not larger than what it is made of.
  return image ? [staging, { ...staging, what: 'payload', entries: 1 }, ...rest] : [{ ...staging, what: 'payload' }, ...rest];
}

/** What a change writes besides payload and program, before it is planned: more than that is not known of any. */
export function expectedWrites(root: HostPath): Write[] {
  return [
    { what: 'journal', path: stateFolder, bytes: 1 << 20, entries: 40, passes: true },
    { what: 'wiring and units', path: '/etc', bytes: 64 << 10, entries: 20 },
    { what: 'generation', path: root, bytes: 64 << 10, entries: 20 },
  ];
}

/** The copy of the program, unless it is there. `always`: a change that makes a generation; else only where it guards the boots and none is there. */
export async function programWrites(runner: Runner, backend: string, guard?: HostPath | 'always'): Promise<Write[]> {
  const own = await keepable(runner, backend);
  if (own === undefined || guard === undefined) return [];
  const { host, program } = runner;
  const [known] = (await readPrograms(host)).filter(({ version }) => version === program);
  if (guard !== 'always' && (known !== undefined || guard !== programPath(own.root, program))) return [];
  const { size } = await stat(own.file);
  const path = programPath(own.root, program);
  const there = known?.root === own.root && known.sizeBytes === size && (await host.lstat(path))?.sizeBytes === size;
  return there ? [] : [{ what: 'program', path, bytes: size, entries: 4 }];
}

/**
 * Journal, wiring and the rest of the steps, and the room that an installation holds for the boot guard.
 *
 * @param others what the change writes besides
 */
export async function switchWrites(host: HostView, steps: Step[], stays: boolean, others: Write[]): Promise<Write[]> {
  const files = await Promise.all(steps.map((step) => stepWrite(host, step)));
  const undo = files.reduce((sum, { undoBytes }) => sum + undoBytes, 0);
  const texts = steps.reduce((sum, step) => sum + Buffer.byteLength(JSON.stringify(step)), 0);
  const journal: Write = {
    what: 'journal',
    path: stateFolder,
    bytes: reservedBytes(steps) + 2 * texts + undo + recordBytes,
    entries: 6 + 2 * steps.length,
    passes: true,
  };
  const own = [...files.map(({ write }) => write), journal];
  return [...own, ...(stays ? await reserveWrites(host, [...others, ...own]) : [])];
}

/** The room that an installation reserves at the end of a change with these writes: `placeBallast` looks at what is free then. */
export async function reserveWrites(host: HostView, writes: Write[]): Promise<Write[]> {
  const { id, freeBytes, blockBytes } = await host.fileSystem(stateFolder);
  let free = freeBytes;
  for (const { path, bytes, entries, done = false, passes = false } of writes) {
    if (done !== passes || (await host.fileSystem(path)).id !== id) continue;
    free += (done ? 1 : -1) * (bytes + entries * blockBytes);
  }
  const bytes = reservedRoom({ there: host.image || (await host.lstat(ballastFile)) !== undefined, freeBytes: free });
  return bytes === 0 ? [] : [{ what: 'reserved room', path: ballastFile, bytes, entries: 1 }];
}

async function stepWrite(host: HostView, step: Step): Promise<{ write: Write; undoBytes: number }> {
  const path = 'path' in step ? step.path : stateFolder;
  const bytes = step.kind === 'file' && step.after !== 'absent' ? Buffer.byteLength(step.text ?? '') : 0;
  const before = step.kind === 'file' && step.before !== 'absent' ? ((await host.lstat(path))?.sizeBytes ?? 0) : 0;
  return { write: { what: 'wiring and units', path, bytes, entries: 'path' in step ? 1 : 0 }, undoBytes: before };
}

function filesIn(entries: PayloadManifest['entries']): number {
  return entries.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value, null, 1)) + 1;
}
