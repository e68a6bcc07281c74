import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import type { Digest, FileKind } from './types.ts';

/** Names a file without opening it: no device is touched, no pipe waits for a writer (open(2), O_PATH; Node has no constant for it). */
export const O_PATH = 0o10000000;

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const chunkBytes = 1 << 16;

/** The largest file that is read whole, by what it is read as. Everything that is larger is something else. */
export const fileLimits = {
  'os-release': 64 * 1024,
  signature: 64 * 1024,
  credentials: 64 * 1024,
  request: 64 * 1024,
  configuration: 1024 * 1024,
  state: 16 * 1024 * 1024,
} as const satisfies Record<FileKind, number>;

export interface OpenOptions {
  /** Follow the last component where it is a link: for paths that the user named, and for links of /proc. */
  follow?: boolean;
  /** Ends the reading between two pieces, with Node's AbortError. */
  signal?: AbortSignal | undefined;
}

/**
 * Opens a file that another program or user may have put there, for reading: only a regular file is opened at all, because opening a device
 * can act (a watchdog starts) and opening a pipe waits. /dev/null, which masks files of systemd, gives undefined: it is an empty file.
 * Throws ENOENT as Node does, and KataError `host-file-unfit`.
 */
export async function openRegular(path: string, { follow = false }: OpenOptions = {}): Promise<FileHandle | undefined> {
  const named = await open(path, O_PATH | (follow ? 0 : O_NOFOLLOW));
  try {
    if (isNullDevice(await named.stat(), path)) return undefined;
    return await open(again(named.fd), reading);
  } catch (error) {
    throw notOpened(error, named.fd, path);
  } finally {
    await named.close();
  }
}

/** The same at once, as a descriptor. */
function openNow(path: string, { follow = false }: OpenOptions): number | undefined {
  const named = openSync(path, O_PATH | (follow ? 0 : O_NOFOLLOW));
  try {
    return isNullDevice(fstatSync(named), path) ? undefined : openSync(again(named), reading);
  } catch (error) {
    throw notOpened(error, named, path);
  } finally {
    closeSync(named);
  }
}

const reading = O_RDONLY | O_NONBLOCK;

/** The very file that was looked at, whatever its name points at by now. */
function again(named: number): string {
  return `/proc/self/fd/${named}`;
}

/** False for a regular file. Throws EISDIR, and `host-file-unfit` for all else. */
function isNullDevice(stat: Stats, path: string): boolean {
  if (stat.isFile()) return false;
  if (stat.isDirectory()) throw Object.assign(new Error(`EISDIR: illegal operation on a directory, read '${path}'`), { code: 'EISDIR' });
  // Linux, Documentation/admin-guide/devices.txt: character device 1:3.
  if (stat.isCharacterDevice() && stat.rdev === 0x103) return true;
  throw unfit(path, stat.isSymbolicLink() ? 'a link that was not there a moment ago' : kindOf(stat), 'a regular file');
}

/** Else the missing /proc would look like a missing file. */
function notOpened(error: unknown, named: number, path: string): unknown {
  return errnoOf(error) === 'ENOENT' ? noProc(path, error) : readable(error, again(named), path);
}

/** Without /proc there is no way through a descriptor, neither to a file nor to a folder. */
export function noProc(path: string, cause?: unknown): KataError {
  return new KataError('failed', {
    subject: '/proc',
    found: `/proc/self/fd is not there, so ${path} cannot be opened safely`,
    needed: 'a mounted /proc',
    next: 'mount -t proc proc /proc',
    cause,
  });
}

/**
 * The bytes of a regular file of at most the kind's size. Throws ENOENT and EISDIR as Node does, and KataError `host-file-unfit`. At once: a
 * change reads hundreds of small files, and each turn through libuv's threads costs many times the call.
 */
export async function readRegular(path: string, kind: FileKind = 'state', options: OpenOptions = {}): Promise<Buffer> {
  if (path.startsWith('/proc/')) return readPatiently(path, kind, options);
  const file = openNow(path, options);
  if (file === undefined) return Buffer.alloc(0);
  try {
    const most = fileLimits[kind];
    const { size } = fstatSync(file);
    if (size > most) throw tooLarge(path, size, most);
    const parts: Buffer[] = [];
    for (let total = 0; ; ) {
      const piece = Buffer.allocUnsafe(Math.max(chunkBytes, size + 1 - total));
      const bytes = readSync(file, piece);
      if (bytes === 0) return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      total += bytes;
      if (total > most) throw tooLarge(path, total, most);
      parts.push(piece.subarray(0, bytes));
    }
  } finally {
    closeSync(file);
  }
}

/** What a process says of itself may wait for that process: the program stays interruptible. */
async function readPatiently(path: string, kind: FileKind, options: OpenOptions): Promise<Buffer> {
  const file = await openRegular(path, options);
  if (file === undefined) return Buffer.alloc(0);
  try {
    return await readAtMost(file, fileLimits[kind], path);
  } finally {
    await file.close();
  }
}

/**
 * The same of a file that says what is done with the rights of its reader: it belongs to root or to the user that runs the program, and no
 * other user can do to it what `never` has: change it, or read it as well. Throws `host-file-unfit` for any other one.
 */
export async function readOwned(path: string, kind: FileKind, never: 'change' | 'read or change'): Promise<Buffer> {
  const file = await openRegular(path, { follow: true });
  const needed = `a regular file of root or of its reader, which other users cannot ${never}`;
  if (file === undefined) throw unfit(path, 'no regular file', needed);
  try {
    const { uid, mode } = await file.stat();
    if (uid !== 0 && uid !== process.geteuid?.()) throw ofOthers('owner', unfit(path, `a file of the user ${uid}`, needed));
    const others = never === 'change' ? 0o022 : 0o027;
    if ((mode & others) !== 0)
      throw ofOthers('mode', unfit(path, `a file that others may ${never} (mode ${(mode & 0o777).toString(8)})`, needed));
    return await readAtMost(file, fileLimits[kind], path);
  } finally {
    await file.close();
  }
}

const ownershipFaults = { owner: { fault: 'owner' }, mode: { fault: 'mode' } } as const;

function ofOthers(fault: keyof typeof ownershipFaults, { code, complaint }: KataError): KataError {
  return new KataError(code, { ...complaint, details: ownershipFaults[fault] });
}

/** Whether `readOwned` refused a file for nothing but its owner or its mode. */
export function ownershipFault(error: unknown): 'owner' | 'mode' | undefined {
  const details = error instanceof KataError ? error.complaint.details : undefined;
  return Object.values(ownershipFaults).find((each) => each === details)?.fault;
}

/** Files of /proc have no size before they are read, and others may grow meanwhile: what counts is what comes. */
async function readAtMost(file: FileHandle, most: number, path: string): Promise<Buffer> {
  const { size } = await file.stat();
  if (size > most) throw tooLarge(path, size, most);
  const parts: Buffer[] = [];
  let total = 0;
  for (;;) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.max(chunkBytes, size + 1 - total)), 0);
    if (bytesRead === 0) return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    total += bytesRead;
    if (total > most) throw tooLarge(path, total, most);
    parts.push(buffer.subarray(0, bytesRead));
  }
}

/** The first bytes of a regular file, fewer where it has fewer. Throws as `readRegular`. */
export async function readHead(path: string, bytes: number, options: OpenOptions = {}): Promise<Buffer> {
  const file = await openRegular(path, options);
  if (file === undefined) return Buffer.alloc(0);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The bytes of a regular file, in pieces: for files of any size. Throws as `readRegular`. */
export async function* piecesOf(path: string, options: OpenOptions = {}): AsyncGenerator<Buffer, void> {
  const file = await openRegular(path, options);
  if (file === undefined) return;
  try {
    for await (const piece of file.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) {
      options.signal?.throwIfAborted();
      yield piece as Buffer;
    }
  } finally {
    await file.close();
  }
}

/** Digest of a real file on this machine, read in a stream. Throws as `readRegular`. */
export async function digestOfFile(path: string, options: OpenOptions = { follow: true }): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const piece of piecesOf(path, options)) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}

/** An error of Node's whose text names the file as the user knows it. */
export function readable(error: unknown, from: string, to: string): unknown {
  if (!(error instanceof Error) || error instanceof KataError) return error;
  // Descriptor 1 is no beginning of descriptor 12.
  const renamed = (text: string) => text.split(new RegExp(`${escapedPattern(from)}(?!\\d)`)).join(to);
  error.message = renamed(error.message);
  for (const name of ['path', 'dest'] as const) {
    const value: unknown = Object.hasOwn(error, name) ? Reflect.get(error, name) : undefined;
    if (typeof value === 'string') Reflect.set(error, name, renamed(value));
  }
  return error;
}

/** A path as a part of a pattern that finds exactly it. */
function escapedPattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function kindOf(stat: Stats): string {
  if (stat.isFIFO()) return 'a named pipe';
  if (stat.isSocket()) return 'a socket';
  return stat.isBlockDevice() || stat.isCharacterDevice() ? 'a device' : 'a special file';
}

function tooLarge(path: string, size: number, most: number): KataError {
  return unfit(path, `larger than expected: ${size} bytes or more`, `at most ${most} bytes`);
}

/** The error for a path that is no regular file. */
export function unfit(path: string, what: string, needed: string): KataError {
  return new KataError('host-file-unfit', {
    subject: path,
    found: `${path} is ${what}`,
    needed: `${needed}, as every file of its kind is`,
    next: `look at it, and put the right file in its place: ls -lL ${commandWord(path)}`,
  });
}
