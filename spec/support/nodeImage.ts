import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ImageOf, writeLayout } from '../../scripts/image/layout.ts';
import { libraryRoot } from '../../scripts/image/libraries.ts';
import { writeRoot } from '../../scripts/image/root.ts';
import { debianArchs } from '../../scripts/release/debianTexts.ts';
import { tarOf } from '../../scripts/release/tools.ts';
import type { Arch } from '../../scripts/single/node.ts';
import { run } from '../lab/run.ts';
import { singleFile } from './singleFile.ts';

/** The name by which engines of the lab have the image. */
const repository = 'localhost/kata-sysext';
export const NODE_IMAGE = `${repository}:lab`;

/** When everything in it was made: any time will do. */
const seconds = 1_000_000_000;
/** Of zstd: the sizes are upper bounds. */
const level = 1;

let made: Promise<{ archive: string; index: string }> | undefined;

/** The image of the node pod, for `ctr images import --base-name localhost/kata-sysext`: made once for each test run, in some seconds. */
export function nodeImage(): Promise<{ archive: string; index: string }> {
  made ??= (async () => {
    const work = mkdtempSync(join(tmpdir(), 'kata-sysext-image-'));
    process.on('exit', () => rmSync(work, { recursive: true, force: true }));
    const index = await layoutOf({ x64: await singleFile() }, join(work, 'layout'), work);
    await run(['tar', '-C', join(work, 'layout'), '-cf', join(work, 'image.tar'), '.']);
    await rm(join(work, 'layout'), { recursive: true });
    return { archive: join(work, 'image.tar'), index };
  })();
  return made;
}

/** Writes a layout with these single files, as `npm run image` does. Gives the digest of its index. */
export async function layoutOf(programs: Partial<Record<Arch, string>>, folder: string, work: string): Promise<string> {
  const images: ImageOf[] = [];
  for (const [arch, program] of Object.entries(programs) as [Arch, string][]) {
    const root = join(work, `root-${arch}`);
    await writeRoot(root, { arch, program, licences: 'the licences of what is inside\n', libraries: await libraryRoot(arch) });
    await tarOf(root, `${root}.tar`, { seconds });
    await rm(root, { recursive: true });
    images.push({ arch: debianArchs[arch] as ImageOf['arch'], tar: `${root}.tar` });
  }
  return (await writeLayout({ folder, version: 'lab', images, seconds, level })).index;
}

/** For hosts that get files in another way. */
export const importCommand = (file: string) => ['ctr', '-n', 'k8s.io', 'images', 'import', '--base-name', 'localhost/kata-sysext', file];

/** Puts the image into the engine of a host, for the CRI. */
export async function importNodeImage(host: { root: string; run(argv: string[]): Promise<unknown> }): Promise<void> {
  await copyFile((await nodeImage()).archive, join(host.root, 'image.tar'));
  await host.run(importCommand('/image.tar'));
  await rm(join(host.root, 'image.tar'));
}

/** The same for nodes of a cluster. Gives the name by its digest, which the chart wants: as if the image had been pulled by it. */
export async function loadNodeImage(hosts: readonly Parameters<typeof importNodeImage>[0][]): Promise<string> {
  const name = `${repository}@${(await nodeImage()).index}`;
  for (const host of hosts) {
    await importNodeImage(host);
    await host.run(['ctr', '-n', 'k8s.io', 'images', 'tag', NODE_IMAGE, name]);
  }
  return name;
}
