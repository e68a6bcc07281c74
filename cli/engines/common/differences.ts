import { isDeepStrictEqual } from 'node:util';
import { isTable, tomlKey } from '../../documents/toml/index.ts';
import { byBytes } from '../../host/index.ts';
import type { EffectiveDiff } from '../types.ts';

/** A comparison of two dumps without these key paths and all below them. */
export function exceptKeys<D extends Pick<EffectiveDiff, 'others'>>(diff: D, keys: readonly string[] = []): D {
  return { ...diff, others: diff.others.filter((path) => !keys.some((key) => path === key || path.startsWith(`${key}.`))) };
}

/** Dotted key paths at which two dumps differ. */
export function differences(a: unknown, b: unknown, path: string[]): string[] {
  if (isTable(a) && isTable(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort(byBytes);
    return keys.flatMap((key) => differences(a[key], b[key], [...path, key]));
  }
  // A table on one side only is reported by its keys: a new `runtimes` table that has only kata-sysext's handlers is no foreign difference.
  if (isTable(a) && b === undefined && Object.keys(a).length > 0) return differences(a, {}, path);
  if (isTable(b) && a === undefined && Object.keys(b).length > 0) return differences({}, b, path);
  return isDeepStrictEqual(a, b) ? [] : [path.map(tomlKey).join('.')];
}
