import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Bundle, type BundleRequest, readBundles } from '../../cli/bundle/index.ts';
import { makeTar, type TarMember } from '../support/archives/tar.ts';

/** A folder for one test: `into` is empty, `outside` holds a canary that nothing may touch. */
export interface Bench {
  root: string;
  into: string;
  remove(): void;
}

export function makeBench(): Bench {
  const root = mkdtempSync(join(tmpdir(), 'kata-sysext-bundle-'));
  const into = join(root, 'into');
  mkdirSync(into);
  return { root, into, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** Writes the archive and reads it. */
export async function unpack(bench: Bench, archive: Buffer | TarMember[], more: Partial<BundleRequest> = {}): Promise<Bundle> {
  const path = join(bench.root, 'release.tar');
  writeFileSync(path, Buffer.isBuffer(archive) ? archive : makeTar(archive));
  return await readBundles({ sources: [path], into: bench.into, keep: () => true, emit: () => undefined, ...more });
}

export function compress(program: 'zstd' | 'xz' | 'gzip', bytes: Buffer): Buffer {
  if (program === 'gzip') return gzipSync(bytes, { level: 1 });
  return execFileSync(program, ['-c', '-q', '-1'], { input: bytes, maxBuffer: 1 << 30 });
}

/** All paths below a folder; Node's own recursive listing follows links. */
export function pathsBelow(root: string, folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...pathsBelow(root, path)] : [path];
  });
}
