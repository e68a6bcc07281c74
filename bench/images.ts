import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeHostTree } from '../cli/commands/try/tree.ts';
import { recipeFor } from '../cli/images/index.ts';
import { type Measured, measure, ratio } from './measure.ts';
import { bigRelease, emptyFolder } from './release.ts';

export interface ImageBench {
  folder: string;
  rounds: number;
  bigBytes: number;
  kata(...args: string[]): string[];
}

/**
 * Making an image of an archive, and installing one. The floors: mksquashfs -comp zstd of the unpacked tree as people call it, and once with
 * our options, which are much faster; one sha256sum, one cp, one sync. Against our own options, what comes on top is unpacking the archive
 * and hashing each file: zstd -d and SHA-256 alone are a sixth of what mksquashfs computes for the same bytes.
 */
export async function imageFigures({ folder, rounds, bigBytes, kata }: ImageBench): Promise<void> {
  const own = emptyFolder(join(folder, 'images'));
  const archive = await bigRelease(own, bigBytes);
  const tree = emptyFolder(join(own, 'unpacked'));
  execFileSync('tar', ['--zstd', '-xf', archive, '-C', tree]);
  const image = join(own, 'kata.raw');
  const [making, floor]: [Measured[], Measured[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    rmSync(image, { force: true });
    floor.push(await measure(['mksquashfs', ...floorArguments(tree, join(own, 'floor.raw'))]));
    making.push(await measure(kata('build', archive, '-o', image)));
  }
  const plain = [await measure(['mksquashfs', tree, join(own, 'plain.raw'), '-noappend', '-no-progress', '-quiet', '-comp', 'zstd'])];
  ratio('build of an image, against mksquashfs -comp zstd of the unpacked tree (wanted: 1.15 or less)', making.slice(0, 1), plain);
  ratio('  against mksquashfs with our own options', making, floor);
  const [installs, copies]: [Measured[], Measured[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    const root = join(own, `host-${round}`);
    await makeHostTree(root);
    systemd(root);
    const copy = join(own, 'copy.raw');
    copies.push(await measure(['sh', '-c', `sha256sum ${image} && cp --reflink=auto ${image} ${copy} && sync -f ${copy}`]));
    rmSync(copy);
    installs.push(await measure(kata('install', image, '--root', root, '--engine', 'containerd@1.7', '--backend', 'sysext')));
    rmSync(root, { recursive: true });
  }
  ratio('install of an image, against sha256sum, cp and sync (wanted: 1.2 or less)', installs, copies);
}

/** As the program itself calls it, with the labels left out. */
function floorArguments(tree: string, image: string): string[] {
  const wish = { tree, image, contents: [], epoch: 0, payload: `sha256:${'0'.repeat(64)}` as const, at: (name: string) => name };
  return recipeFor('squashfs', { ...wish, version: [4, 5] }).args;
}

/** What a tree must have for extensions. */
function systemd(root: string): void {
  mkdirSync(join(root, 'usr/lib/systemd/system'), { recursive: true });
  writeFileSync(join(root, 'usr/lib/systemd/system/systemd-sysext.service'), '[Service]\nExecStart=systemd-sysext refresh\n');
  writeFileSync(join(root, 'usr/lib/systemd/libsystemd-shared-259.so'), '');
}
