import { posix } from 'node:path';
import { clashOf, type FileClass, foldersOf, nameTaken, outOfBin, placeOf } from './places.ts';
import { type Listing, resolve } from './resolve.ts';

export interface ArrangeInput {
  listing: Listing;
  /** The files and links of the release that the payload has. */
  keep: Set<string>;
  /** Of the files in it; others are data. */
  classes: Map<string, FileClass>;
  /** Files that a program finds by itself: where one of them moves, a link stays in its place. */
  foundByName: Set<string>;
  /** Links that are added: path → a file or folder of the payload. */
  added: Map<string, string>;
}

/** Where everything lies in the payload. */
export interface Arrangement {
  /** Files: path in the release → path in the payload. */
  files: Map<string, string>;
  /** Links: path in the payload → target. */
  links: Map<string, string>;
  /** What a path of the release is called in the payload; the path itself where it still means the same file. */
  nameOf(path: string): string;
}

/** Throws `bundle-name-taken`. */
export function arrange(input: ArrangeInput): Arrangement {
  const { listing, keep, foundByName } = input;
  const files = placeFiles(input);
  const folders = new Set(['', ...[...files.values()].flatMap(foldersOf)]);
  const links = new Map<string, string>();
  const places = { listing, files, folders };
  for (const path of keep) {
    if (listing.get(path)?.kind !== 'symlink') continue;
    const target = targetNow(places, path);
    if (target !== undefined) links.set(outOfBin(path), target);
  }
  for (const [from, to] of files) {
    const home = outOfBin(from);
    if (home !== to && foundByName.has(from)) links.set(home, relative(home, to));
  }
  for (const [path, target] of input.added) {
    if (links.has(path) || files.has(path)) throw nameTaken(path, 'a link that is added', path);
    links.set(path, relative(path, target));
  }
  requireSound(files, links);
  return { files, links, nameOf: (path) => nameNow(places, links, path) };
}

function placeFiles({ listing, keep, classes }: ArrangeInput): Map<string, string> {
  const files = new Map<string, string>();
  const taken = new Map<string, string>();
  for (const from of keep) {
    if (listing.get(from)?.kind !== 'file') continue;
    const to = placeOf(from, classes.get(from) ?? 'data');
    const clash = clashOf(listing, from, to);
    if (clash !== undefined) throw clash;
    const other = taken.get(to);
    if (other !== undefined) throw nameTaken(other, from, to);
    taken.set(to, from);
    files.set(from, to);
  }
  return files;
}

interface Places {
  listing: Listing;
  files: Map<string, string>;
  /** Folders with files in the payload. */
  folders: Set<string>;
}

/** The target of a link of the release in the payload; undefined where it has no place or no target any more. */
function targetNow({ listing, files, folders }: Places, path: string): string | undefined {
  const [here, target] = [outOfBin(path), listing.get(path)?.target ?? ''];
  const { end } = resolve(listing, path);
  if (end === undefined) return here === path ? target : undefined;
  const isFile = listing.get(end)?.kind === 'file';
  const there = isFile ? files.get(end) : outOfBin(end);
  if (there === undefined || there === here || (!isFile && !folders.has(there))) return undefined;
  return here === path && there === end ? target : relative(here, there);
}

/** A link of the release keeps its place; what is no link goes where its file lies. */
function nameNow({ listing, files }: Places, links: Map<string, string>, path: string): string {
  const at = path.lastIndexOf('/');
  const parent = at < 0 ? '' : resolve(listing, path.slice(0, at)).end;
  if (parent === undefined) return path;
  const real = parent === '' ? path.slice(at + 1) : `${parent}/${path.slice(at + 1)}`;
  const isLink = listing.get(real)?.kind === 'symlink';
  const now = isLink && links.has(outOfBin(real)) ? outOfBin(real) : files.get(resolve(listing, path).end ?? '');
  return now === undefined || now === real ? path : now;
}

/** Nothing has two meanings, and nothing lies below a file or a link. Throws `bundle-name-taken`. */
function requireSound(files: Map<string, string>, links: Map<string, string>): void {
  const all = new Map([...files].map(([from, to]) => [to, from]));
  for (const path of links.keys()) {
    const other = all.get(path);
    if (other !== undefined) throw nameTaken(other, `the link ${path}`, path);
    all.set(path, path);
  }
  for (const [to, from] of all) {
    const above = foldersOf(to).find((folder) => all.has(folder));
    if (above !== undefined) throw nameTaken(all.get(above)!, `the folder of ${from}`, above);
  }
}

function relative(link: string, target: string): string {
  return posix.relative(posix.dirname(link), target);
}
