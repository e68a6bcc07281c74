import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** One write, flush or discard of a guest, in the order in which the disk had done them. */
export interface LoggedWrite {
  /** where on the disk, and how much; in bytes */
  offset: number;
  length: number;
  kind: 'write' | 'flush' | 'discard';
  /** durable when done, like all before the flush that came with it */
  forced: boolean;
  /** where its bytes lie in the log */
  data: number;
  /** what a scenario called the moment: see `mark` of a recording */
  mark?: string;
}

export interface WriteLog {
  file: string;
  entries: LoggedWrite[];
}

const MAGIC = 0x6a736677736872n;
const FLAGS = { flush: 1n, forced: 2n, discard: 4n };
const MARK = /^lab-mark:([\w .:/-]+?) *$/;
export const MARK_SIZE = 4096;

/** Reads what QEMU's blklogwrites wrote: the format of the kernel's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst). */
export function readWriteLog(file: string): WriteLog {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    const head = read(fd, 0, 28);
    if (head.readBigUInt64LE(0) !== MAGIC || head.readBigUInt64LE(8) !== 1n) throw new Error(`${file} is no log of writes`);
    const count = Number(head.readBigUInt64LE(16));
    const sector = head.readUInt32LE(24);
    const entries: LoggedWrite[] = [];
    for (let at = sector; entries.length < count && at + sector <= size; ) {
      const entry = read(fd, at, 32);
      const [offset, length] = [Number(entry.readBigUInt64LE(0)) * sector, Number(entry.readBigUInt64LE(8)) * sector];
      const flags = entry.readBigUInt64LE(16);
      const discard = (flags & FLAGS.discard) !== 0n;
      const data = at + sector;
      const kind = discard ? 'discard' : length === 0 ? 'flush' : 'write';
      // a write that asks for a flush before it is two steps
      if (kind === 'write' && (flags & FLAGS.flush) !== 0n) entries.push({ offset: 0, length: 0, kind: 'flush', forced: false, data });
      const mark = kind === 'write' && length === MARK_SIZE ? MARK.exec(read(fd, data, 128).toString('latin1'))?.[1] : undefined;
      entries.push({ offset, length, kind, forced: (flags & FLAGS.forced) !== 0n, data, ...(mark === undefined ? {} : { mark }) });
      at = data + (discard ? 0 : length);
    }
    return { file, entries };
  } finally {
    closeSync(fd);
  }
}

/** A cut: the power goes after `at` entries of the log; `lose` says what becomes of the writes since the last flush before it. */
export interface Cut {
  at: number;
  /** all of them are lost, all had reached the disk, or a seed picks for each piece of 4 KiB: any order is one of these outcomes */
  lose: 'all' | 'none' | number;
}

/** How many entries, counted from the start, are durable at a cut: those up to the last flush. */
export function durableAt(log: WriteLog, at: number): number {
  let end = Math.min(at, log.entries.length);
  while (end > 0 && log.entries[end - 1]?.kind !== 'flush') end--;
  return end;
}

/** The last mark before a cut; '' before the first. */
export function phaseAt(log: WriteLog, at: number): string {
  return log.entries.slice(0, at).findLast((entry) => entry.mark !== undefined)?.mark ?? '';
}

function read(fd: number, at: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  readSync(fd, buffer, 0, length, at);
  return buffer;
}
