import { chmod, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { byBytes, digestOfFile } from '../../cli/host/index.ts';

export interface Sum {
  name: string;
  sha256: string;
  bytes: number;
}

/** Digest and size of files of a folder, of all without names; they get the modes that everybody may read. */
export async function sumsOf(folder: string, names?: readonly string[]): Promise<Sum[]> {
  const sums: Sum[] = [];
  for (const name of [...(names ?? (await readdir(folder)))].sort(byBytes)) {
    const file = join(folder, name);
    const { size, mode } = await stat(file);
    await chmod(file, (mode & 0o100) === 0 ? 0o644 : 0o755);
    sums.push({ name, sha256: (await digestOfFile(file)).replace('sha256:', ''), bytes: size });
  }
  return sums;
}

/** As sha256sum reads it. */
export function sumsText(sums: readonly Sum[]): string {
  return sums.map(({ sha256, name }) => `${sha256}  ${name}\n`).join('');
}
