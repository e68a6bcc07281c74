import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import { errnoOf, KataError } from '../errors/index.ts';
import { cleanEnvironment, findProgram } from '../host/programs.ts';
import { stopIfAsked } from '../host/stoppable.ts';
import { damaged, tooLarge } from './complaints.ts';
import type { Format } from './formats.ts';

type ByProgram = 'zstd' | 'xz';

/** Of the decompressor: the largest window that zstd takes unasked; with xz room for four threads at its highest level. */
const maxMemory: Record<ByProgram, string> = { zstd: '128MiB', xz: '256MiB' };

/** Only the format itself: xz knows others by its default, and zstd reads frames of xz, with whatever memory they ask for. */
const decompressors: Record<ByProgram, { program: string; args: string[]; addressSpace?: number }> = {
  zstd: { program: 'zstd', args: ['-d', '-c', '-q', `--memory=${maxMemory.zstd}`], addressSpace: 1 << 30 },
  xz: { program: 'xz', args: ['-d', '-c', '-q', '--format=xz', '-T0', `--memlimit=${maxMemory.xz}`] },
};

/** How the two say that their limit was met. */
const overLimit = /memory usage limit|too much memory|window size larger|allocation error|cannot allocate/i;

const messageChars = 500;

/**
 * The decompressed bytes of an archive: of gzip by Node's own zlib, else through the host's own program, five times as fast as what Node
 * 20 has in JavaScript. A chunk of `chunks` is used up before the next is asked for. `chunks` is always closed.
 * Throws `host-program-missing`, `bundle-too-large` for what asks for more memory than it gets, `bundle-damaged` for anything else that
 * cannot be decompressed, and `interrupted`.
 */
export async function* decompressed(
  format: Exclude<Format, 'tar'>,
  chunks: AsyncIterable<Buffer>,
  source: string,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void> {
  // A megabyte of hostile bytes becomes gigabytes: the signal is looked at on this side as well.
  for await (const piece of format === 'gzip' ? gunzipped(chunks, source) : throughProgram(format, chunks, source)) {
    stopIfAsked(signal);
    yield piece;
  }
}

async function* throughProgram(format: ByProgram, chunks: AsyncIterable<Buffer>, source: string): AsyncGenerator<Buffer, void> {
  const { program, args } = decompressors[format];
  const [command, ...words] = [...(await bounds(format)), await pathOf(program, source), ...args] as [string, ...string[]];
  // A group of its own: ^^C at the terminal must reach this process, and not look like an archive that ends early.
  const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'pipe'], env: cleanEnvironment, detached: true });
  const ended = endOf(child);
  const feeding = feed(child.stdin!, chunks).catch((error: unknown) => {
    child.kill('SIGKILL');
    return error;
  });
  try {
    yield* child.stdout! as AsyncIterable<Buffer>;
    const fault = await feeding;
    if (fault !== undefined) throw fault;
    const { code, message } = await ended;
    if (code !== 0 && overLimit.test(message)) throw needsMemory(source, program, message, maxMemory[format]);
    if (code !== 0) throw damaged(source, `${program} could not decompress it: ${message}`);
  } finally {
    child.kill('SIGKILL');
    await ended;
    await feeding;
  }
}

/** Where the host can, the address space of the program is bounded too: zstd hands frames of other formats to their libraries. */
async function bounds(format: ByProgram): Promise<string[]> {
  const { addressSpace } = decompressors[format];
  const prlimit = addressSpace === undefined ? undefined : await findProgram('prlimit');
  return prlimit === undefined ? [] : [prlimit, `--as=${addressSpace}`];
}

function needsMemory(source: string, program: string, message: string, given: string): KataError {
  return tooLarge(
    source,
    `to decompress it takes more memory than it gets (${program}: ${message})`,
    `at most ${given} of memory for ${program}`,
  );
}

async function* gunzipped(chunks: AsyncIterable<Buffer>, source: string): AsyncGenerator<Buffer, void> {
  const unzip = createGunzip({ chunkSize: 1 << 17 });
  // Its errors come out where its output is read.
  unzip.on('error', () => undefined);
  const feeding = feedGunzip(unzip, chunks, source).catch((error: unknown) => {
    unzip.destroy(error instanceof Error ? error : new Error(String(error)));
    return error;
  });
  try {
    yield* unzip as AsyncIterable<Buffer>;
    const fault = await feeding;
    if (fault !== undefined) throw fault;
  } catch (error) {
    throw /^(?:Z_|ERR_)/.test(errnoOf(error) ?? '')
      ? damaged(source, `its gzip stream is broken: ${(error as Error).message}`, error)
      : error;
  } finally {
    unzip.destroy();
    await feeding;
  }
}

/** What zlib leaves unread is no part of a gzip stream: several of them may follow each other, nothing else may. */
async function feedGunzip(unzip: Gunzip, chunks: AsyncIterable<Buffer>, source: string): Promise<undefined> {
  let fed = 0;
  // A write that is under way when zlib finds a fault is never answered.
  const closed = new Promise<void>((resolve) => unzip.once('close', resolve));
  for await (const chunk of chunks) {
    await Promise.race([write(unzip, chunk), closed]);
    if (unzip.destroyed) return undefined;
    fed += chunk.length;
    if (unzip.bytesWritten !== fed) throw damaged(source, 'something follows the end of its gzip stream');
  }
  unzip.end();
  return undefined;
}

async function feed(input: Writable, chunks: AsyncIterable<Buffer>): Promise<undefined> {
  input.on('error', () => undefined);
  try {
    for await (const chunk of chunks) await write(input, chunk);
    input.end();
  } catch (error) {
    // The program has ended before it had read everything: its exit status says why.
    if (!['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'].includes(errnoOf(error) ?? '')) throw error;
  }
  return undefined;
}

function write(input: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    input.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

async function endOf(child: ChildProcess): Promise<{ code: number; message: string }> {
  let message = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    if (message.length < messageChars) message += chunk.toString();
  });
  const [code, signal] = (await once(child, 'close').catch((error: unknown) => [1, String(error)])) as [number | null, string | null];
  const text = message
    .slice(0, messageChars)
    .trim()
    .replace(/\p{Cc}+/gu, ' ');
  return { code: code ?? 1, message: text || (signal === null ? `exit status ${code}` : `ended by ${signal}`) };
}

async function pathOf(program: string, source: string): Promise<string> {
  const path = await findProgram(program);
  if (path !== undefined) return path;
  throw new KataError('host-program-missing', {
    subject: program,
    found: `the program ${program} is not on this host, and ${source} is compressed with it`,
    needed: `the program ${program}, or the release as a .tar, a .tar.gz or an unpacked folder`,
    next: `install ${program}, or unpack the archive elsewhere and name the folder`,
  });
}
