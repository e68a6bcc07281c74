import { basename } from 'node:path';
import type { Architecture } from '../facts/index.ts';
import { rowMatcher } from '../layout/glob.ts';
import { type ComponentOrigin, type LicencedComponent, licenceTable } from './table.ts';
import type { Versions } from './versions.ts';

/** What is known of a component, each fact only where the release or the table has it. */
export interface Origin {
  name: string;
  version?: string | undefined;
  supplier?: string | undefined;
  licence?: string | undefined;
  /** An https address of its sources. */
  source?: string | undefined;
  /** How the version was found. */
  how?: string | undefined;
  note?: string | undefined;
}

export interface Component extends Origin {
  row: LicencedComponent;
  /** Its files, in the order in which they were given. */
  paths: string[];
  inside: Origin[];
}

export interface ComponentFacts {
  /** Paths of files, of a release or of a payload. */
  paths: string[];
  release: string;
  architecture?: Architecture | undefined;
  versions: Versions;
}

const rows = licenceTable.components.map((row) => ({ row, fits: rowMatcher(row.globs) }));

/** The components that files belong to, in the order of the table. Files of no component are in none. */
export function componentsOf(facts: ComponentFacts): Component[] {
  const paths = new Map<LicencedComponent, string[]>();
  for (const path of facts.paths) {
    const row = rows.find(({ fits }) => fits(path))?.row;
    if (row === undefined) continue;
    const own = paths.get(row);
    if (own === undefined) paths.set(row, [path]);
    else own.push(path);
  }
  return licenceTable.components.flatMap((row) => {
    const own = paths.get(row);
    if (own === undefined) return [];
    const inside = (row.inside ?? []).map((each) => originOf(each, facts));
    return [{ ...originOf(row, facts, fileVersion(row, own)), row, paths: own, inside }];
  });
}

/** Kata Containers itself. */
export function kataOrigin(release: string): Origin {
  const { name, supplier, licence, url, source, note } = licenceTable.kata;
  return { name, version: release, supplier, licence, source: addressOf(source, { url, tag: release, version: release }), note };
}

function originOf(row: ComponentOrigin, facts: ComponentFacts, ofFile?: string): Origin {
  const { name, licence, note, versions: place, urlOf, source, named } = row;
  if (row.kata === true) return { ...kataOrigin(facts.release), name, note, how: 'the version of the release' };
  const at = (key: string, path = place) => textAt(facts, path, key);
  const tag = at('tag') ?? at('version');
  const said = (at('version') ?? tag)?.replace(/^v(?=\d)/, '');
  const version = ofFile ?? said;
  const isKnown = ofFile === undefined || (said !== undefined && sameVersion(ofFile, said));
  const url = at('url', urlOf ?? place);
  return {
    name: (named === true ? at('name') : undefined) ?? name,
    version,
    licence,
    source: source === undefined || !isKnown ? undefined : addressOf(source, { url, tag, version: said }),
    how: version === undefined ? undefined : ofFile === undefined ? 'versions.yaml of the release' : 'the name of a file',
    note: isKnown ? note : [note, `versions.yaml of the release says ${said ?? 'nothing'}`].filter((text) => text !== undefined).join('; '),
  };
}

function textAt({ versions, architecture }: ComponentFacts, place: string[] | undefined, key: string): string | undefined {
  if (place === undefined || (place.includes('{architecture}') && architecture === undefined)) return undefined;
  return versions.textAt([...place.map((part) => (part === '{architecture}' ? String(architecture) : part)), key]);
}

/** The version that the names of its files agree in. */
function fileVersion({ fileVersion: pattern }: LicencedComponent, paths: string[]): string | undefined {
  if (pattern === undefined) return undefined;
  const found = new Set(paths.flatMap((path) => new RegExp(pattern).exec(basename(path))?.[1] ?? []));
  return found.size === 1 ? [...found][0] : undefined;
}

/** Linux 6.18 calls itself 6.18.0. */
function sameVersion(a: string, b: string): boolean {
  return a.replace(/\.0$/, '') === b.replace(/\.0$/, '');
}

/** A tag of Git, or a commit: no part of it leads out of the path that it becomes a part of. */
const plainTag = /^(?!.*\.\.)[A-Za-z0-9][\w.+/-]{0,100}$/;

/** undefined where a part is missing or is none that belongs into an https address. */
function addressOf(
  template: string,
  { url, tag, version }: { url: string | undefined; tag: string | undefined; version: string | undefined },
): string | undefined {
  const folder = url?.replace(/(?:\.git)?\/*$/, '');
  const values: Record<string, string | undefined> = { url: folder, tag, version };
  const parts = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({ name, value: values[name] }));
  if (parts.some(({ name, value }) => value === undefined || (name !== 'url' && !plainTag.test(value)))) return undefined;
  const address = template.replace(/\{(\w+)\}/g, (_all, name: string) => values[name]!);
  return isPlainAddress(address) ? address : undefined;
}

/** Without a user, a password, a query and what would be another address when it is read again. */
function isPlainAddress(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname, username, password, search, hash, href } = new URL(address);
  return protocol === 'https:' && hostname !== '' && `${username}${password}${search}${hash}` === '' && href === address;
}
