import { gunzipSync } from 'node:zlib';
import type { KataError } from '../errors/index.ts';
import { rejected } from './complaints.ts';
import type { Bundle } from './types.ts';

/** What the kernel takes, and room for the folder that the tree is made in. */
const maxNameBytes = 4095;
const maxPathBytes = 2048;
const maxDepth = 64;
const maxSegmentBytes = 255;
const maxLinks = 40;
/** Where a release lies in its archive. */
const home = ['opt', 'kata'];

/**
 * The path below opt/kata that a member's name means; '' for opt/kata itself, undefined for the folders above it.
 * Throws `bundle-member-escapes` or `bundle-layout`.
 */
export function placeOf(name: string, source: string): string | undefined {
  checkText(name, name, source);
  if (name.startsWith('/')) throw escapes(source, name, 'has an absolute name');
  const segments = segmentsOf(name);
  if (segments.includes('..')) throw escapes(source, name, 'has .. in its name');
  const tooLong = Buffer.byteLength(name) > maxPathBytes || segments.some((segment) => Buffer.byteLength(segment) > maxSegmentBytes);
  if (tooLong || segments.length > maxDepth) throw oddName(source, name, 'has a name that is too long or too deep');
  if (segments.length < home.length && segments.every((segment, at) => segment === home[at])) return undefined;
  if (home.every((segment, at) => segments[at] === segment)) return segments.slice(home.length).join('/');
  throw rejected('bundle-layout', source, name, 'lies outside opt/kata', 'a release of Kata Containers: everything below opt/kata');
}

/** A symlink's target, relative to the link's place. Throws `bundle-member-escapes` when it leads out of the tree. */
export function targetOf(path: string, target: string, source: string): string {
  checkText(target, path, source);
  const depth = path.split('/').length - 1;
  const prefix = `/${home.join('/')}`;
  if (target.startsWith('/')) {
    const segments = segmentsOf(target.slice(prefix.length));
    const inside = target === prefix || target.startsWith(`${prefix}/`);
    if (!inside || segments.includes('..')) throw escapes(source, path, `is a link to ${target}`);
    return [...Array<string>(depth).fill('..'), ...segments].join('/') || '.';
  }
  let level = depth;
  for (const segment of segmentsOf(target)) {
    level += segment === '..' ? -1 : 1;
    if (level < 0) throw escapes(source, path, `is a link to ${target}`);
  }
  return target;
}

/**
 * Throws `bundle-member-escapes` for the first link that leads out of the tree by way of other links ('a/up/../..', 'up' a link):
 * no single target shows that.
 */
export function checkLinks(listing: Bundle['listing'], source: string): void {
  for (const [path, entry] of listing) {
    if (entry.kind === 'symlink' && leadsOut(listing, path))
      throw escapes(source, path, `is a link to ${entry.target ?? ''}, which leads on`);
  }
}

function leadsOut(listing: Bundle['listing'], path: string): boolean {
  const pending = path.split('/').reverse();
  const at: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const segment = pending.pop()!;
    if (segment === '' || segment === '.') continue;
    if (segment === '..') {
      if (at.pop() === undefined) return true;
      continue;
    }
    at.push(segment);
    const entry = listing.get(at.join('/'));
    if (entry?.kind !== 'symlink') continue;
    // A circle leads nowhere: opening it fails.
    if (++links > maxLinks) return false;
    at.pop();
    pending.push(...(entry.target ?? '').split('/').reverse());
  }
  return false;
}

/** Permission bits as they are written: the owner reads (and enters) everything, and only the owner writes. */
export function modeOf(kind: 'file' | 'directory', mode: number): number {
  return ((mode & 0o777) | (kind === 'file' ? 0o400 : 0o700)) & ~0o022;
}

/** Throws `bundle-member-kind` for set-uid and set-gid bits. */
export function checkMode(name: string, mode: number, source: string): void {
  if ((mode & 0o6000) === 0) return;
  throw rejected('bundle-member-kind', source, name, 'has the set-uid or set-gid bit', 'only files that run as who starts them');
}

const programs = /^(?:bin|libexec|runtime-rs\/bin)\/[^/]+$/;
const assets = /^share\/kata-containers\/(?:vmlinu[xz].*|.*\.(?:img|image|initrd))$/;
/** A gzip member around nothing is 20 bytes, a few more with a name in it. */
const emptyGzipBytes = 64;

/** Throws `bundle-empty-asset` for a program, kernel, image or initrd without content (kata #3144: an initrd that was an empty gzip, for four releases). */
export function checkAsset(path: string, sizeBytes: number, head: Buffer | undefined, source: string): void {
  if (!programs.test(path) && !assets.test(path)) return;
  const empty = sizeBytes === 0 || (sizeBytes <= emptyGzipBytes && head !== undefined && isEmptyGzip(head));
  if (empty) throw rejected('bundle-empty-asset', source, path, 'has no content', 'programs, kernels and images with content');
}

/** True when the first bytes of the file tell whether it has content. */
export function needsHead(path: string, sizeBytes: number): boolean {
  return assets.test(path) && sizeBytes <= emptyGzipBytes;
}

function isEmptyGzip(head: Buffer): boolean {
  if (head[0] !== 0x1f || head[1] !== 0x8b) return false;
  try {
    return gunzipSync(head, { maxOutputLength: 1 << 16 }).length === 0;
  } catch {
    return false;
  }
}

function checkText(text: string, member: string, source: string): void {
  if (text === '' || Buffer.byteLength(text) > maxNameBytes)
    throw oddName(source, member, `has a name or a target that is empty or longer than ${maxNameBytes} bytes`);
  if (/\p{Cc}/u.test(text)) throw oddName(source, member, 'has control characters in its name or target');
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '' && segment !== '.');
}

function escapes(source: string, name: string, found: string): KataError {
  return rejected('bundle-member-escapes', source, name, found, 'members and links that stay below opt/kata');
}

function oddName(source: string, name: string, found: string): KataError {
  return rejected('bundle-layout', source, name, found, 'names that a release of Kata Containers has');
}
