import { execFile } from 'node:child_process';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Digest, digestOfFile } from '../host/index.ts';

export interface Archive {
  file: string;
  name: string;
  digest: Digest;
  sizeBytes: number;
  /** Of what is in it. */
  unpackedBytes: number;
}

/**
 * Paths of a tree as a .tar.gz, named by its digest; the same tree gives the same bytes, at any time and on any machine. Throws what tar
 * says.
 */
export async function makeArchive(root: string, paths: string[], folder: string): Promise<Archive> {
  const plain = join(folder, 'archive.tar');
  const same = ['--format=gnu', '--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  const env = { PATH: '/usr/bin:/usr/sbin:/bin:/sbin', LC_ALL: 'C' };
  const run = promisify(execFile);
  await run('tar', ['-C', root, ...same, '-cf', plain, '--', ...paths.map((path) => `.${path}`)], { env });
  const unpackedBytes = (await stat(plain)).size;
  await run('gzip', ['-n', '-6', plain], { env });
  const digest = await digestOfFile(`${plain}.gz`);
  const name = `kata-sysext-${digest.slice('sha256:'.length, 'sha256:'.length + 16)}.tar.gz`;
  const file = join(folder, name);
  await rename(`${plain}.gz`, file);
  return { file, name, digest, sizeBytes: (await stat(file)).size, unpackedBytes };
}

/** What a node must not get: the lock, and folders that only a change has. */
export async function dropTransient(state: string): Promise<void> {
  for (const name of await readdir(state)) {
    if (['reserved-space', 'lock', 'journal', 'scratch', 'staging'].includes(name)) await rm(join(state, name), { recursive: true });
  }
}
