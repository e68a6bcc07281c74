import { KataError } from '../errors/index.ts';
import { foreignGlobMatcher } from './glob.ts';
import { type StringValue, stringsOf } from './strings.ts';
import { pathTable } from './tables.ts';

/** Kata's configurations have three of them; from some number on they would only cost time. */
const maxPatterns = 64;

/** A path that a configuration names in a key that moves with the release. */
export interface Requirement {
  key: string;
  value: string;
  /** A 'file' has to exist; a 'glob' only limits what annotations may name. */
  kind: 'file' | 'glob';
  /** True for a file that is started. */
  program: boolean;
}

/** All non-empty paths that the configuration names in relocatable keys, as written, in order. Without `hypervisor`: of every hypervisor table. */
export function requirements(text: string, hypervisor?: string, name = 'configuration.toml'): Requirement[] {
  return relocatable(text, hypervisor, name)
    .filter(({ string }) => string.value !== '')
    .map(({ string, key, kind, program }) => ({ key, value: string.value, kind, program }));
}

/**
 * The text with every relocatable path below `from` put below `to`. All other bytes stay: comments, order, line ends, other strings.
 *
 * @param move.hypervisor the table below [hypervisor], which must be there. Throws `bundle-configuration`.
 */
export function renderConfiguration(
  text: string,
  move: { from: string; to: string; hypervisor: string },
  name = 'configuration.toml',
): string {
  const parts: string[] = [];
  let done = 0;
  for (const { string } of relocatable(text, move.hypervisor, name)) {
    if (belowPrefix(string.value, move.from, name) === undefined) continue;
    parts.push(text.slice(done, string.start), relocate(text.slice(string.start, string.end), string, move));
    done = string.end;
  }
  return parts.join('') + text.slice(done);
}

/**
 * The text with the names that its files have in the payload; everything stays below the release's own prefix, and all other bytes stay.
 *
 * @param move.nameOf the new path of a path of the release, both relative
 * @param move.files every file of the payload: path in the release → path in the payload; patterns follow what they fit
 * Throws `bundle-configuration`.
 */
export function renameInConfiguration(
  text: string,
  move: { nameOf(path: string): string; files: ReadonlyMap<string, string> },
  name = 'configuration.toml',
): string {
  const moved = [...move.files].filter(([from, to]) => from !== to);
  const parts: string[] = [];
  let done = 0;
  let patterns = 0;
  for (const { string, kind } of relocatable(text, undefined, name)) {
    const path = belowPrefix(string.value, pathTable.prefix, name);
    if (path === undefined || path === '') continue;
    const isFile = kind === 'file' || move.files.has(path);
    if (!isFile) patterns += 1;
    const now = isFile ? move.nameOf(path) : patterns > maxPatterns ? path : patternNow(path, moved);
    if (now === path) continue;
    parts.push(text.slice(done, string.start), `"${escaped(`${pathTable.prefix}/${now}`)}"`);
    done = string.end;
  }
  return parts.join('') + text.slice(done);
}

/** A pattern follows files that it fits to the one folder where they lie now; else it stays: it only limits what annotations may name. */
function patternNow(pattern: string, moved: [from: string, to: string][]): string {
  const fits = foreignGlobMatcher(pattern);
  if (fits === undefined) return pattern;
  const places = moved.filter(([from, to]) => fits(from) && !fits(to)).map(([, to]) => to);
  const folders = new Set(places.map((to) => to.slice(0, to.lastIndexOf('/') + 1)));
  const [folder] = folders;
  return folders.size === 1 ? `${folder}${pattern.slice(pattern.lastIndexOf('/') + 1)}` : pattern;
}

/**
 * What `value` names below `prefix`: '' for the prefix itself, undefined for a path elsewhere.
 * Throws `bundle-configuration` for a path that begins with the prefix but climbs with '..': what it means depends on links of the host.
 */
export function belowPrefix(value: string, prefix: string, name: string): string | undefined {
  if (value !== prefix && !value.startsWith(`${prefix}/`)) return undefined;
  const segments = value
    .slice(prefix.length)
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..') || value.includes('\0')) {
    throw new KataError('bundle-configuration', {
      subject: name,
      found: `${name} names the path ${JSON.stringify(value)}, which leads out of the release`,
      needed: `paths below ${prefix} without ..`,
      next: 'do not use this bundle, or repair the file if the bundle is your own',
    });
  }
  return segments.join('/');
}

interface Relocatable extends Omit<Requirement, 'value'> {
  string: StringValue;
}

const direct = new Map(pathTable.relocated.map(({ key, kind, program = false }) => [key, { key, kind, program }]));
const nested = new Map(
  pathTable.tables.map(({ table, key, kind }) => [`${table}\0${key}`, { key: `${table}.${key}`, kind, program: false }]),
);

function relocatable(text: string, hypervisor: string | undefined, name: string): Relocatable[] {
  const { strings, tables } = stringsOf(text, name);
  if (hypervisor !== undefined && !tables.has(`hypervisor\0${hypervisor}`)) {
    throw new KataError('bundle-configuration', {
      subject: name,
      found: `${name} has no table [hypervisor.${hypervisor}]`,
      needed: 'the table whose paths have to follow the release to its place on the host',
      next: 'use a release of Kata Containers that this version of kata-sysext knows',
    });
  }
  return strings.flatMap((string) => {
    const [root, table, ...rest] = string.keys;
    if (root !== 'hypervisor' || table === undefined || (hypervisor !== undefined && table !== hypervisor)) return [];
    const plain = rest.length === 1 ? direct.get(rest[0]!) : undefined;
    if (plain !== undefined) return [{ string, ...plain }];
    const deep = rest.length === 2 ? nested.get(rest.join('\0')) : undefined;
    return deep === undefined ? [] : [{ string, ...deep }];
  });
}

function relocate(literal: string, string: StringValue, { from, to }: { from: string; to: string }): string {
  const fence = string.multiline ? 3 : 1;
  const inner = literal.slice(fence);
  const fits = string.style === 'basic' || !/['\p{Cc}]/u.test(to);
  // Only the prefix is touched where it is spelled plainly; an escaped or folded spelling of it is written again.
  if (fits && inner.startsWith(from)) {
    return literal.slice(0, fence) + (string.style === 'basic' ? escaped(to) : to) + inner.slice(from.length);
  }
  return `"${escaped(to + string.value.slice(from.length))}"`;
}

/** The content of a TOML basic string. JSON's escapes are all TOML's; DEL has to be escaped only in TOML. */
function escaped(value: string): string {
  return JSON.stringify(value).slice(1, -1).replaceAll('\u007f', '\\u007F');
}
