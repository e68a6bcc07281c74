import { run } from '../../spec/lab/run.ts';

/** Offsets in the header of a code cache (v8, src/snapshot/code-serializer.h, class SerializedCodeData). Between them is the hash of the source. */
const [sourceAt, flagsAt, headerLength] = [8, 12, 16];
const printHeader = `process.stdout.write(new (require('node:vm').Script)('0').createCachedData().subarray(0, ${headerLength}).toString('hex'))`;

/** The first 16 bytes of a code cache that a build of Node makes without flags of V8, and with those that the program will run with. */
export interface CacheHeaders {
  without: Buffer;
  with: Buffer;
}

/** Asks a Node of this machine's architecture. */
export async function cacheHeaders(node: string, flags: readonly string[]): Promise<CacheHeaders> {
  const ask = async (argv: readonly string[]) => {
    const { stdout } = await run([node, ...argv, '-e', printHeader], { env: { NODE_OPTIONS: '' } });
    const header = Buffer.from(stdout, 'hex');
    if (header.length !== headerLength) throw new Error(`${node} gave no code cache`);
    return header;
  };
  return { without: await ask([]), with: await ask(flags) };
}

/**
 * The same Node, whose code caches of its own modules are for the given flags. V8 refuses a cache that was made under other flags, and the
 * modules were compiled again at each start (9 ms of 60). What a cache holds is bytecode, in which --jitless changes nothing. A cache of
 * another V8 is left alone. Throws where the file has none at all.
 */
export function withCachesFor(file: Buffer, headers: CacheHeaders): Buffer {
  const out = Buffer.from(file);
  const sameVersion = headers.without.subarray(0, sourceAt);
  if (!sameVersion.equals(headers.with.subarray(0, sourceAt))) throw new Error('the two headers are not of one V8');
  const [before, after] = [headers.without.subarray(flagsAt), headers.with.subarray(flagsAt)];
  let changed = 0;
  for (let at = out.indexOf(sameVersion); at !== -1; at = out.indexOf(sameVersion, at + sourceAt)) {
    if (!out.subarray(at + flagsAt, at + headerLength).equals(before)) continue;
    after.copy(out, at + flagsAt);
    changed += 1;
  }
  if (changed === 0) throw new Error('no code cache of this V8 in the file');
  return out;
}
