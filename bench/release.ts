import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeRelease } from '../cli/commands/try/tree.ts';

/** Real programs and libraries of this machine: what compresses like a release does. */
const sources = ['/usr/lib/x86_64-linux-gnu', '/usr/bin', '/usr/lib/aarch64-linux-gnu'];

/** An archive of about `bytes` unpacked whose handler needs all of it: the guest image is that large. Gives its path. */
export async function bigRelease(folder: string, bytes: number): Promise<string> {
  const tree = join(folder, 'big');
  await makeRelease(tree, '9.9.9');
  const image = join(tree, 'opt/kata/share/kata-containers/kata-9.9.9.image');
  fill(image, bytes);
  const archive = join(folder, 'kata-static-9.9.9-amd64.tar.zst');
  execFileSync('tar', ['--zstd', '-cf', archive, '--owner=0', '--group=0', '-C', tree, './opt']);
  return archive;
}

function fill(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  let left = bytes;
  while (left > 0) {
    for (const source of realFiles()) {
      if (left <= 0) break;
      left -= writeSync(file, readFileSync(source).subarray(0, left));
    }
  }
  closeSync(file);
}

function* realFiles(): Generator<string> {
  for (const folder of sources.filter(existsSync)) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isFile() && statSync(path).size > 4096) yield path;
    }
  }
}

export function emptyFolder(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}
