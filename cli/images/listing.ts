import type { TreeEntry } from '../bundle/types.ts';

/** What a mounted image has at a path. Devices, pipes and sockets are 'other'. */
export interface Listed extends Pick<TreeEntry, 'path' | 'mode' | 'target'> {
  kind: TreeEntry['kind'] | 'other';
  sizeBytes: number;
}

/** Arguments of find(1) for `listed`: names may have whatever bytes but NUL. */
export const listing = ['-mindepth', '1', '-printf', String.raw`%P\0%y\0%m\0%s\0%l\0`];

const kinds: Record<string, Listed['kind']> = { f: 'file', d: 'directory', l: 'symlink' };

/** What find printed with the arguments `listing`. */
export function listed(printed: string): Listed[] {
  const words = printed.split('\0').slice(0, -1);
  return words.flatMap((path, index) => {
    if (index % 5 !== 0) return [];
    const [kind = '', mode = '', size = '', target = ''] = words.slice(index + 1, index + 5);
    return [{ path, kind: kinds[kind] ?? 'other', mode: Number.parseInt(mode, 8), sizeBytes: Number(size), target }];
  });
}

/**
 * In words, how what is mounted differs from the entries that it should have: names, kinds, modes, sizes and link targets, in the order of
 * paths; undefined when it does not. Bytes are not read.
 */
export function unlike(entries: TreeEntry[], there: Listed[]): string | undefined {
  const seen = new Map(there.map((each) => [each.path, each]));
  const wanted = new Set(entries.map(({ path }) => path));
  const more = there.filter(({ path }) => !wanted.has(path)).map(({ path }) => `${path} is in it, and its manifest does not list that`);
  const other = entries.flatMap((entry) => {
    const why = differing(entry, seen.get(entry.path));
    return why === undefined ? [] : [`${entry.path} ${why}`];
  });
  const all = [...more, ...other];
  return all.length < 2 ? all[0] : `${all[0]}; and ${all.length - 1} more of the kind`;
}

function differing(entry: TreeEntry, there: Listed | undefined): string | undefined {
  if (there === undefined) return 'is listed in its manifest and is not in it';
  if (there.kind !== entry.kind) return `is of another kind (${there.kind}) than its manifest says (${entry.kind})`;
  if (entry.kind === 'symlink')
    return there.target === entry.target ? undefined : `does not point at ${entry.target}, as its manifest says`;
  if (there.mode !== entry.mode) return `has the mode ${octal(there.mode)}, and its manifest says ${octal(entry.mode)}`;
  if (entry.kind === 'directory' || there.sizeBytes === entry.sizeBytes) return undefined;
  return `has ${there.sizeBytes} bytes, and its manifest says ${entry.sizeBytes}`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
