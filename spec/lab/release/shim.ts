import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../run.ts';

const FOLDER = join(import.meta.dirname, 'shim');
const SOURCES = ['standin.h', 'standin.c', 'proxy.c', 'vmm.c', 'hypervisor.c', 'configuration.c'];

export function shimSources(): string {
  return SOURCES.map((name) => readFileSync(join(FOLDER, name), 'utf8')).join('');
}

/**
 * The stand-in shim (shim/README.md) as a static executable that knows its version and which of Kata's two shims it stands for.
 * With `carried`, the bytes of a containerd-shim-runc-v2, it runs that one and not the host's.
 */
export async function compileShim(version: string, flavour: 'Golang' | 'Rust', carried?: Buffer): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'lab-shim-'));
  try {
    const defines = [`-DVERSION="${version}"`, `-DFLAVOUR="${flavour}"`, ...(carried === undefined ? [] : ['-DCARRIES'])];
    const flags = ['-std=gnu11', '-O2', '-s', '-static', '-Wall', '-Wextra', '-Werror', '-Wl,--build-id=none', '-pthread'];
    await run(['gcc', ...flags, ...defines, '-o', join(folder, 'shim'), ...SOURCES.filter((name) => name.endsWith('.c'))], { cwd: FOLDER });
    const standIn = await readFile(join(folder, 'shim'));
    return carried === undefined ? standIn : carrying(standIn, carried);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The mark is the last 8 bytes, before it the length; the start is one that an ELF file's own contents may count on. */
function carrying(standIn: Buffer, carried: Buffer): Buffer {
  const end = Buffer.alloc(16, 'LABSHIM1');
  end.writeBigUInt64LE(BigInt(carried.length));
  return Buffer.concat([standIn, Buffer.alloc(-standIn.length & 4095), carried, end]);
}
