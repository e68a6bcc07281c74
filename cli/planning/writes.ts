import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import type { HostPath, HostView } from '../host/index.ts';
import {
  type Drawn,
  folderOf,
  generationFolder,
  linksOf,
  manifestsFolder,
  type PayloadManifest,
  programPath,
  readPrograms,
  reservedRoom,
  reservedSpaceFile,
  type Staged,
  stateFolder,
  wholePayload,
} from '../store/index.ts';
import { reservedBytes, type Step } from '../transaction/index.ts';
import { keepable, type OwnProgram } from './programCopy.ts';
import type { Plan, PlannedWrite, Write } from './types.ts';

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
export function payloadWrites({ manifest, known, passing }: Pick<Staged, 'manifest' | 'known' | 'passing'>): Write[] {
  const [kept, noted] = storeWrites(manifest);
  const path = kept.path;
  const staged: Write = { what: 'staging', path, bytes: passing.bytes, entries: passing.entries, done: true, passes: known };
  return known ? [staged] : [staged, { ...kept, done: true }, noted];
}

function storeWrites(manifest: PayloadManifest): [files: Write, manifest: Write] {
  const { folder, entries } = wholePayload(manifest);
  return [
    { what: 'payload', path: posix.dirname(folder), bytes: filesIn(entries), entries: entries.length },
    { what: 'payload', path: manifestsFolder, bytes: jsonBytes(manifest), entries: 1 },
  ];
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

/** What is known of a payload before it is stored. */
export interface Expected {
  backend: string;
  root: HostPath;
  /** An image is made of it here. */
  image: boolean;
  /** What would be unpacked or, of an image that was made elsewhere (`said`), copied. */
  unpacked?: { bytes: number; entries: number };
  /** The manifest of a payload that is as large as it can be. */
  draft?: PayloadManifest | undefined;
  said?: unknown;
}

/** What an installation writes at most, before its archives are unpacked; without `unpacked` only what every installation writes. */
export async function expectedOf(running: OwnProgram, { backend, root, image, unpacked, draft, said }: Expected): Promise<Write[]> {
  const rest = [...(await programWrites(running, backend, 'always')), ...expectedWrites(root)];
  const stored = unpacked === undefined ? [] : expectedPayload(root, unpacked, draft, said);
  // Of an image no more is known than that it is not larger than what it is made of.
  const staged: Write[] = image && unpacked !== undefined ? [{ what: 'staging', path: root, ...unpacked }] : [];
  const all = [...staged, ...stored, ...rest];
  return [...all, ...(await reserveWrites(running.host, all))];
}

function expectedPayload(root: HostPath, unpacked: { bytes: number; entries: number }, draft?: PayloadManifest, said?: unknown): Write[] {
  if (draft !== undefined) return storeWrites(draft);
  // The texts of an image are in what it says of itself; they are stored beside it, and named in its manifest here.
  return [{ what: 'payload', path: root, bytes: unpacked.bytes + 2 * jsonBytes(said ?? {}), entries: unpacked.entries + 20 }];
}

/** An estimate, made before the plan, of what a change writes in addition to payload and program. No change is known to write more. */
export function expectedWrites(root: HostPath): Write[] {
  return [
    { what: 'journal', path: stateFolder, bytes: 1 << 20, entries: 40, passes: true },
    { what: 'wiring and units', path: '/etc', bytes: 64 << 10, entries: 20 },
    { what: 'generation', path: root, bytes: 64 << 10, entries: 20 },
  ];
}

/** The copy of the program, unless it is there. `always`: a change that makes a generation; else only where it guards the boots and none is there. */
export async function programWrites(running: OwnProgram, backend: string, guard?: HostPath | 'always'): Promise<Write[]> {
  const own = await keepable(running, backend);
  if (own === undefined || guard === undefined) return [];
  const { host, program } = running;
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
 * @param others what the change writes in addition to its steps
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

/** The room that an installation reserves at the end of a change with these writes: `reserveSpace` looks at what is free then. */
async function reserveWrites(host: HostView, writes: Write[]): Promise<Write[]> {
  const { id, freeBytes, blockBytes } = await host.fileSystem(stateFolder);
  let free = freeBytes;
  for (const { path, bytes, entries, done = false, passes = false } of writes) {
    if (done !== passes || (await host.fileSystem(path)).id !== id) continue;
    free += (done ? 1 : -1) * (bytes + entries * blockBytes);
  }
  const bytes = reservedRoom({ there: host.image || (await host.lstat(reservedSpaceFile)) !== undefined, freeBytes: free });
  return bytes === 0 ? [] : [{ what: 'reserved room', path: reservedSpaceFile, bytes, entries: 1 }];
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
