import { posix } from 'node:path';
import type { HostPath } from '../../host/types.ts';
import type { FilesView } from '../common/filesView.ts';

/** containerd looks for a literal `*` and nothing else to tell a pattern from a path (facts/cri.md §1.3). */
export function isPattern(path: string): boolean {
  return path.includes('*');
}

const meta = /[*?[\\]/;

/** The folder of a pattern whose only wild part is the file name; undefined for others. */
export function patternFolder(pattern: string): HostPath | undefined {
  const folder = posix.dirname(pattern);
  return meta.test(folder) ? undefined : folder;
}

/** Go's filepath.Match for one name: `*` and `?` match a leading dot too; classes may be negated by `^`. A broken pattern matches nothing. */
export function matchesName(pattern: string, name: string): boolean {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!;
    if (c === '*') source += '[^/]*';
    else if (c === '?') source += '[^/]';
    else if (c === '\\') source += quote(pattern[++i] ?? '');
    else if (c === '[') {
      const end = pattern.indexOf(']', i + 2);
      if (end < 0) return false;
      const body = pattern.slice(i + 1, end);
      source += body.startsWith('^') ? `[^${body.slice(1)}]` : `[${body}]`;
      i = end;
    } else source += quote(c);
  }
  try {
    return new RegExp(`^${source}$`, 'su').test(name);
  } catch {
    return false;
  }
}

function quote(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/gu, (c) => (c === '-' ? c : `\\${c}`));
}

/** Go's filepath.Glob: existing paths in the order of their names, folder by folder. */
export async function glob(view: FilesView, pattern: string): Promise<HostPath[]> {
  let found: HostPath[] = ['/'];
  for (const part of pattern.split('/').filter((text) => text !== '')) {
    const next: HostPath[] = [];
    for (const folder of found) {
      if (!meta.test(part)) next.push(posix.join(folder, part));
      else next.push(...(await view.list(folder)).filter((name) => matchesName(part, name)).map((name) => posix.join(folder, name)));
    }
    found = next;
  }
  const there = await Promise.all(found.map((path) => view.exists(path)));
  return found.filter((_, index) => there[index]);
}
