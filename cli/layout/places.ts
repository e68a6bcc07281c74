import { KataError } from '../errors/index.ts';
import { type Listing, resolve } from './resolve.ts';
import { qemuTable } from './tables.ts';

/** What a file of a release is: what the kernel starts, what a program loads, or what is read. */
export type FileClass = 'program' | 'library' | 'data';

/**
 * Folders by whose names the stock contexts of both policy families choose a type (overlays/labels.json). Below one of each kind the
 * families differ, so no file lies below both.
 */
const binFolders = ['bin', 'Bin', 'sbin'];
const libFolders = ['lib', 'lib64'];

/** Where QEMU looks for its data first: a release may have a folder there, and a payload has a link. */
export const shippedBundle = `bin/${qemuTable.beside}`;

/**
 * Where a file of a release lies in the payload: a program in a folder `bin`, a library below a folder `lib`, and all else where the
 * release has it. The folder that it moves to is beside its own, so that what it looks for by `../NAME` is still there.
 */
export function placeOf(path: string, fileClass: FileClass): string {
  const home = outOfBin(path);
  if (fileClass === 'data') return home;
  const folders = home.split('/');
  const name = folders.pop()!;
  const isProgram = fileClass === 'program';
  const other = isProgram ? libFolders : [...binFolders, 'lib64'];
  const inPlace = isProgram ? folders.at(-1) === 'bin' : folders.includes('lib');
  if (inPlace && !folders.some((folder) => other.includes(folder))) return home;
  const wanted = isProgram ? 'bin' : 'lib';
  const above = folders.slice(0, -1);
  return [...(above.some((folder) => other.includes(folder)) ? [] : above), wanted, name].join('/');
}

/** A folder of QEMU's data in `bin` would have folders `lib` in it; a link at its old path points at its new one. */
export function outOfBin(path: string): string {
  return path.startsWith(`${shippedBundle}/`) ? `${qemuTable.bundle}${path.slice(shippedBundle.length)}` : path;
}

/** The refusal of a file that would get the name of another one of the release; undefined where its new name is free. */
export function clashOf(listing: Listing, from: string, to: string): KataError | undefined {
  if (from === to) return undefined;
  const above = foldersOf(to).find((folder) => listing.get(folder)?.kind === 'file');
  if (above !== undefined) return nameTaken(above, `the folder of ${from}`, above);
  const there = listing.get(to);
  if (there === undefined) return undefined;
  // A link to the very file gives way to it.
  if (there.kind === 'symlink' && resolve(listing, to).end === from) return undefined;
  return nameTaken(from, to, to);
}

/** `one` and `other` of the release, or of what is added to it, would both be `to`. */
export function nameTaken(one: string, other: string, to: string): KataError {
  return new KataError('bundle-name-taken', {
    subject: to,
    found: `${one} and ${other} of the release would both be ${to} in the payload`,
    needed: 'a name of its own for each program and library: programs lie in folders bin, where SELinux lets them run, libraries in lib',
    next: 'use a release of Kata Containers; if the bundle is your own, rename one of the two',
    details: { files: [one, other], place: to },
  });
}

/** Every folder above a path. */
export function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
}
