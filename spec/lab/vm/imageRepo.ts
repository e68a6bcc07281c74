import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cached, digestOf } from '../cache.ts';
import { run } from '../run.ts';
import { REFS, vmDisk } from './disk.ts';
import { vmRoot } from './root.ts';

/** OS images that buildah made of the lab's tree, as commits of an ostree repository. */
export interface ImageRepo {
  /** an archive, for `ostree pull-local`; the refs are lab/NAME */
  folder: string;
  /** what an image has below /var, /run and /tmp, by its name */
  volatile(name: string): string[];
}

const script = join(import.meta.dirname, 'build', 'image.sh');

/** Builds an image of each folder with a Containerfile; the folder's name is the image's. The base is the lab's second commit. About two minutes. */
export async function imageRepo(contexts: string[]): Promise<ImageRepo> {
  const [root, disk] = [await vmRoot(), await vmDisk()];
  const inputs = [disk.file, readFileSync(script, 'utf8'), ...(await Promise.all(contexts.map(digestOfFolder)))];
  const folder = await cached('vm-images', inputs, async (into) => {
    const argv = ['bash', script, root, disk.file, REFS.second, into, ...contexts];
    await run(['unshare', '--mount', '--propagation', 'private', ...argv], { timeoutMs: 900_000 });
  });
  return {
    folder: join(folder, 'repo'),
    volatile: (name) =>
      readFileSync(join(folder, `${name}.var`), 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
  };
}

async function digestOfFolder(folder: string): Promise<string> {
  const names = (await readdir(folder)).sort();
  const texts = await Promise.all(names.map(async (name) => `${name} ${(await readFile(join(folder, name))).toString('latin1')}`));
  return digestOf([basename(folder), ...texts]);
}
