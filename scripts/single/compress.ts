import { join } from 'node:path';
import { run } from '../../spec/lab/run.ts';
import { type Arch, nodeFolder } from './node.ts';

/** Long matches over the whole file, in the largest window that `zstd -d` takes without being told (2^27 bytes). */
const script = `
const { readFileSync, writeFileSync } = require('node:fs');
const { zstdCompressSync, constants: c } = require('node:zlib');
const [from, to, level] = process.argv.slice(1);
const bytes = readFileSync(from);
const params = { [c.ZSTD_c_compressionLevel]: Number(level), [c.ZSTD_c_enableLongDistanceMatching]: 1, [c.ZSTD_c_windowLog]: 27, [c.ZSTD_c_checksumFlag]: 1 };
writeFileSync(to, zstdCompressSync(bytes, { params, pledgedSrcSize: bytes.length }));
`;

/** Writes FILE.zst beside the file with the pinned Node's own zstd, so that every machine gives the same bytes. Level 19 takes about a minute. */
export async function compress(file: string, level: number): Promise<string> {
  const out = `${file}.zst`;
  const node = join(await nodeFolder(process.arch as Arch), 'node');
  await run([node, '-e', script, file, out, String(level)], { timeoutMs: 900_000, env: { NODE_OPTIONS: '' } });
  return out;
}
