import { readdirSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, digestOf } from '../cache.ts';
import { debianRoot, type Suite } from '../roots.ts';
import { run } from '../run.ts';
import { initramfs, rootImage } from './guest.ts';
import { type Archive, membersOf, type Parts } from './layout.ts';
import { debianParts } from './parts.ts';
import { compileShim, shimSources } from './shim.ts';
import { tarOf } from './tar.ts';
import { initrdTomls } from './toml.ts';

/** The two versions that specs go up and down between. */
export const FIRST = '4.0.0-lab1';
export const SECOND = '4.1.0-lab2';

export interface SampleRelease {
  version: string;
  /** holds both archives: the folder to bind at /mnt/release */
  folder: string;
  /** kata-static-<version>-amd64.tar.zst: the Rust runtime's, default handler qemu-runtime-rs */
  static: string;
  /** kata-go-static-<version>-amd64.tar.zst: the Go runtime's, default handler qemu */
  go: string;
}

/**
 * A release of Kata's layout whose QEMU, ROMs, kernel and initramfs are real and boot; its shim is the stand-in of shim/. With `shimOf`
 * the stand-in carries the containerd-shim-runc-v2 of that suite: what the shim speaks is then the release's own, whatever the host has.
 */
export function sampleRelease(version: string = FIRST, shimOf?: Suite): Promise<SampleRelease> {
  const name = [version, ...(shimOf === undefined ? [] : [shimOf])].join('-');
  const known = attempts.get(name) ?? build(version, name, shimOf);
  attempts.set(name, known);
  return known;
}

/** The containerd-shim-runc-v2 of a suite: trixie's is of containerd 1.7, forky's of containerd 2. */
export async function runcShimOf(suite: Suite): Promise<Buffer> {
  return await readFile(join(await debianRoot(suite), 'usr/bin/containerd-shim-runc-v2'));
}

const attempts = new Map<string, Promise<SampleRelease>>();

async function build(version: string, name: string, shimOf?: Suite): Promise<SampleRelease> {
  const debian = await debianParts();
  const tomls = initrdTomls();
  const configuration = digestOf(
    [...Object.entries(tomls.go), ...Object.entries(tomls.rust)].flatMap(([name, bytes]) => [name, bytes.toString('utf8')]),
  );
  const carried = shimOf === undefined ? undefined : await runcShimOf(shimOf);
  const inputs = [debian, configuration, shimSources(), ...recipe(), ...(shimOf === undefined ? [] : [await debianRoot(shimOf)])];
  const folder = await cached(`release-${name}`, inputs, async (into) => {
    const parts = await partsOf(version, debian, carried);
    for (const archive of ['static', 'go'] as const)
      await writeArchive(join(into, archiveName(version, archive)), tarOf(membersOf(version, archive, parts)));
  });
  return { version, folder, static: join(folder, archiveName(version, 'static')), go: join(folder, archiveName(version, 'go')) };
}

export function archiveName(version: string, archive: Archive): string {
  return `kata-${archive === 'go' ? 'go-' : ''}static-${version}-amd64.tar.zst`;
}

/** Writes an archive compressed the way its name says: .zst, .xz, .gz or plain. */
export async function writeArchive(file: string, tar: Buffer): Promise<void> {
  const level = /\.zst$/.test(file)
    ? ['zstd', '-q', '-f', '-3', '-T1']
    : /\.xz$/.test(file)
      ? ['xz', '-q', '-f', '-1', '-S', '.part']
      : /\.gz$/.test(file)
        ? ['gzip', '-q', '-f', '-n', '-1', '-S', '.part']
        : undefined;
  if (level === undefined) return await writeFile(file, tar);
  const plain = `${file}.tar`;
  await writeFile(plain, tar);
  if (level[0] === 'zstd') await run([...level, '--rm', plain, '-o', file]);
  else await run(['sh', '-ec', `${level.join(' ')} "$1" && mv "$1.part" "$2"`, 'sh', plain, file]);
}

async function partsOf(version: string, debian: string, carried?: Buffer): Promise<Parts> {
  const busybox = join(debian, 'busybox');
  const [initrd, image, go, rust] = await Promise.all([
    initramfs(busybox, version),
    rootImage(busybox, version),
    compileShim(version, 'Golang', carried),
    compileShim(version, 'Rust', carried),
  ]);
  return {
    qemu: await readFile(join(debian, 'qemu-system-x86_64')),
    virtiofsd: await readFile(join(debian, 'virtiofsd')),
    libraries: filesIn(join(debian, 'lib')),
    modules: filesIn(join(debian, 'modules')),
    roms: filesIn(join(debian, 'roms')),
    kernel: {
      name: (await readFile(join(debian, 'kernel-name'), 'utf8')).trim(),
      // what stands behind a bzImage is not looked at by whoever boots it: two versions, two digests
      bytes: Buffer.concat([await readFile(join(debian, 'vmlinuz')), Buffer.from(`\nlab ${version}\n`)]),
    },
    initrd,
    image,
    shim: { go, static: rust },
    tomls: initrdTomls(),
  };
}

function filesIn(folder: string): Record<string, Buffer> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name))]),
  );
}

function recipe(): string[] {
  return ['sample.ts', 'layout.ts', 'guest.ts', 'shim.ts', 'tar.ts'].map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'));
}
