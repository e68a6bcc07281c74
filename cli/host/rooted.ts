import { lstatSync, readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import type { HostPath } from './types.ts';

const maxLinks = 40;

/**
 * Resolves `path` inside `root` the way a process chrooted there would: absolute link targets start at the root again, '..' stops at it.
 * Components that do not exist are kept as they are. Returns a host path (as seen inside the root).
 */
export async function resolveInside(root: string, path: HostPath, followLast: boolean): Promise<HostPath> {
  if (!path.startsWith('/')) throw new Error(`not an absolute host path: ${path}`);
  let pending = path.split('/').filter((part) => part !== '' && part !== '.');
  let done: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const [part, ...rest] = pending as [string, ...string[]];
    pending = rest;
    if (part === '..') {
      done.pop();
      continue;
    }
    const here = posix.join(root, ...done, part);
    const target = rest.length > 0 || followLast ? linkTarget(here) : undefined;
    if (target === undefined) {
      done.push(part);
      continue;
    }
    links += 1;
    if (links > maxLinks) {
      throw new KataError('path-escapes', {
        subject: path,
        found: `more than ${maxLinks} symbolic links on the way to ${path}`,
        needed: 'a path without a loop of links',
        next: `look at the links with: namei -l ${commandWord(path)}`,
      });
    }
    if (target.startsWith('/')) done = [];
    pending = [...target.split('/').filter((step) => step !== '' && step !== '.'), ...rest];
  }
  return `/${done.join('/')}`;
}

/** Synchronous: a change asks this thousands of times, and each turn through libuv's threads would cost thirty times the call itself. */
function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
