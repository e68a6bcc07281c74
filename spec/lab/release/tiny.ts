import { existsSync } from 'node:fs';
import { mkdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Archive, membersOf, type Parts } from './layout.ts';
import { archiveName, FIRST, writeArchive } from './sample.ts';
import { type Member, tarOf } from './tar.ts';
import { releaseTomls, type Tomls } from './toml.ts';

/** Ways in which a release is not what it should be: one row each in {@link ODDITIES}. */
export type Odd =
  | 'absolute'
  | 'dotdot'
  | 'outside'
  | 'device'
  | 'setuid'
  | 'owner'
  | 'duplicate'
  | 'hardlink'
  | 'hardlinkOut'
  | 'linkOut'
  | 'linkAbsolute'
  | 'throughLink'
  | 'emptyKernel'
  | 'missingShim'
  | 'missingQemu'
  | 'missingVersion'
  | 'truncated'
  | 'notCompressed'
  | 'empty';

export interface TinyOptions {
  version?: string;
  archive?: Archive;
  odd?: Odd[];
  /** the archive's compression; default zst */
  compression?: 'zst' | 'xz' | 'gz' | 'plain';
  /** another file name in the folder */
  name?: string;
  tomls?: Tomls;
  /** below opt/kata: added or replaced */
  files?: Record<string, Buffer | string>;
  /** below opt/kata: left out */
  without?: string[];
}

/** A release of the full layout made of a few bytes a file, in milliseconds; gives the archive's path. */
export async function tinyRelease(folder: string, options: TinyOptions = {}): Promise<string> {
  const { version = FIRST, archive = 'static', odd = [] } = options;
  await mkdir(folder, { recursive: true });
  const file = join(folder, options.name ?? archiveName(version, archive).replace(/\.zst$/, suffix(options.compression)));
  const members = odd.reduce((list, name) => ODDITIES[name]?.(list) ?? list, tinyMembers(options));
  const tar = odd.includes('empty') ? Buffer.alloc(0) : tarOf(members);
  if (odd.includes('notCompressed')) await writeFile(file, 'this is no archive\n');
  // Readers know an archive by its bytes: a machine without zstd gets the same release, uncompressed.
  else if (file.endsWith('.zst') && !existsSync('/usr/bin/zstd')) await writeFile(file, tar);
  else await writeArchive(file, tar);
  if (odd.includes('truncated')) await truncate(file, Math.floor((await stat(file)).size / 2));
  return file;
}

/** The members of a tiny release, to be changed at will and written with `tarOf`. */
export function tinyMembers(options: TinyOptions = {}): Member[] {
  const { version = FIRST, archive = 'static' } = options;
  const dummy = dummies(version);
  const added = Object.entries(options.files ?? {}).map(([path, bytes]) => [path, Buffer.from(bytes)]);
  const parts = { ...dummy, tomls: options.tomls ?? dummy.tomls, extra: { ...dummy.extra, ...Object.fromEntries(added) } };
  const left = new Set((options.without ?? []).map((path) => `./opt/kata/${path}`));
  return membersOf(version, archive, parts).filter((member) => !left.has(member.path));
}

function dummies(version: string): Parts {
  const dummy = (name: string): Buffer => Buffer.from(`${name} of the tiny release ${version}\n`);
  const program = (name: string): Buffer => Buffer.from(`#!/bin/sh\necho "${name} version ${version} (tiny)"\n`);
  return {
    // the folders that QEMU was built to look in, as they occur in the real binary's bytes
    qemu: Buffer.concat([program('QEMU emulator'), Buffer.from('exit 0\n\0/opt/kata/share/kata-qemu/qemu\0')]),
    virtiofsd: program('virtiofsd'),
    libraries: { 'libtiny.so.1': dummy('libtiny') },
    modules: { 'accel-tcg-x86_64.so': dummy('accel-tcg') },
    roms: { 'bios-256k.bin': dummy('bios'), 'kvmvapic.bin': dummy('kvmvapic'), 'linuxboot_dma.bin': dummy('linuxboot') },
    kernel: { name: 'vmlinuz-6.18.35-202', bytes: dummy('kernel') },
    initrd: dummy('initrd'),
    image: dummy('image'),
    shim: { go: program('containerd-shim-kata-v2 (Golang)'), static: program('containerd-shim-kata-v2 (Rust)') },
    tomls: releaseTomls(),
    extra: {
      'bin/cloud-hypervisor': program('cloud-hypervisor'),
      'bin/firecracker': program('firecracker'),
      'bin/jailer': program('jailer'),
      'share/kata-containers/vmlinux-dragonball-experimental.container': dummy('dragonball kernel'),
    },
  };
}

const K = './opt/kata';
const stray = (path: string): Member => ({ path, kind: 'file', bytes: Buffer.from('stray\n') });
const without = (list: Member[], pattern: RegExp): Member[] => list.filter((member) => !pattern.test(member.path));

const ODDITIES: Partial<Record<Odd, (list: Member[]) => Member[]>> = {
  absolute: (list) => [...list, stray('/etc/kata-sysext-stray')],
  dotdot: (list) => [...list, stray(`${K}/share/../../../../etc/kata-sysext-stray`)],
  outside: (list) => [...list, stray('./etc/kata-sysext-stray')],
  device: (list) => [...list, { path: `${K}/share/device`, kind: 'device', major: 1, minor: 3 }],
  setuid: (list) => [...list, { path: `${K}/bin/setuid`, kind: 'file', bytes: Buffer.from('x'), mode: 0o4755 }],
  owner: (list) => [...list, { path: `${K}/share/owned`, kind: 'file', bytes: Buffer.from('x'), owner: 1000 }],
  duplicate: (list) => [...list, stray(`${K}/VERSION`)],
  hardlink: (list) => [...list, { path: `${K}/share/hardlink`, kind: 'hardlink', target: `${K}/VERSION` }],
  hardlinkOut: (list) => [...list, { path: `${K}/share/hardlink`, kind: 'hardlink', target: '/etc/passwd' }],
  linkOut: (list) => [...list, { path: `${K}/share/link`, kind: 'link', target: '../../../etc/passwd' }],
  linkAbsolute: (list) => [...list, { path: `${K}/share/link`, kind: 'link', target: '/etc/passwd' }],
  throughLink: (list) => [
    ...list,
    { path: `${K}/share/way`, kind: 'link', target: '../../../etc' },
    stray(`${K}/share/way/kata-sysext-stray`),
  ],
  emptyKernel: (list) =>
    list.map((member) => (member.kind === 'file' && /\/vmlinuz-/.test(member.path) ? { ...member, bytes: Buffer.alloc(0) } : member)),
  missingShim: (list) => without(list, /containerd-shim-kata-v2$/),
  missingQemu: (list) => without(list, /qemu-system-x86_64$/),
  missingVersion: (list) => without(list, /\/VERSION$/),
};

function suffix(compression: TinyOptions['compression']): string {
  return compression === undefined || compression === 'zst' ? '.zst' : compression === 'plain' ? '' : `.${compression}`;
}
