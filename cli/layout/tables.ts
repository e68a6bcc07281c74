import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import { KataError } from '../errors/index.ts';
import { nearest } from '../errors/suggest.ts';
import type { Architecture } from '../facts/types.ts';
import { rowMatcher } from './glob.ts';

/** A row of overlays/handlers.json. Paths are relative to the release's opt/kata. */
export interface HandlerRow {
  /** The release's own word: 'qemu-runtime-rs'. */
  name: string;
  family: 'go' | 'rust';
  /** The table below [hypervisor] in its configuration. */
  hypervisor: string;
  architectures: Architecture[];
  shim: string;
  configuration: string;
  /** Names of overlays/components.json, per architecture. */
  components: Partial<Record<Architecture, string[]>>;
  /** Further ones whose files its configuration names, though the handler does without them (virtiofsd where nothing is shared). */
  named?: Partial<Record<Architecture, string[]>>;
}

export interface ComponentRow {
  /** `*` stays in one segment, `**` does not. */
  globs: string[];
  /** Against the base name. */
  except?: string[];
}

export interface PathTable {
  prefix: string;
  /** `program`: the file is started. */
  relocated: { key: string; kind: 'file' | 'glob'; program?: boolean }[];
  tables: { table: string; key: string; kind: 'file' | 'glob' }[];
  never: string[];
}

export interface QemuTable {
  flavours: { name: string; binary: string; except?: string[]; folders: string[] }[];
  libraries: string[];
  /** The folder of the payload whose paths are those that QEMU was built to look in, and the name of the link to it beside a QEMU. */
  bundle: string;
  beside: string;
  /** A directory that QEMU was built to look in → where the release has its content. */
  compiled: Record<string, string>;
}

interface HandlerTable {
  defaults: { links: string[]; candidates: string[] };
  archives: Record<'go' | 'rust', string>;
  handlers: HandlerRow[];
}

export const handlerTable = parseJson(asset('overlays/handlers.json')) as HandlerTable;
export const componentTable = parseJson(asset('overlays/components.json')) as Record<string, ComponentRow>;
export const pathTable = parseJson(asset('overlays/paths.json')) as PathTable;
export const qemuTable = parseJson(asset('overlays/qemu.json')) as QemuTable;

const rows = new Map(handlerTable.handlers.map((row) => [row.name, row]));

/** The row of a handler, by the release's word ('qemu') or the installed name ('kata-qemu'). Throws `handler-unknown` naming the nearest. */
export function handlerRow(name: string): HandlerRow {
  const row = rows.get(name) ?? (name.startsWith('kata-') ? rows.get(name.slice('kata-'.length)) : undefined);
  if (row !== undefined) return row;
  const close = nearest(name.replace(/^kata-/, ''), [...rows.keys()]).map(installedName);
  throw new KataError('handler-unknown', {
    subject: name,
    found: `no handler is called ${name}`,
    needed: `one of the ${rows.size} handlers of Kata Containers; the nearest names are ${close.join(', ')}`,
    next: `use --handler ${close[0]}; which handlers a release has: kata-sysext check BUNDLE`,
  });
}

/** 'qemu' → 'kata-qemu'. */
export function installedName(release: string): string {
  return `kata-${release}`;
}

/** What a handler needs of the host, KVM aside: a row of overlays/needs.json. */
export interface NeedRow {
  code: string;
  /** Globs over the release's names, or hypervisors: either makes the row apply. */
  handlers?: string[];
  hypervisors?: string[];
  /** Where it is seen: a path that is there and (`says`) has such a text, or a folder with something in it. Without it nothing shows it. */
  look?: { path?: string; says?: string; below?: string };
  /** Files can be looked for in an offline tree as well; devices and kernel parameters cannot. */
  offline?: boolean;
  found: string;
  needed: string;
  next: string;
}

export const needTable = (parseJson(asset('overlays/needs.json')) as { needs: NeedRow[] }).needs;

export function needsOf({ name, hypervisor }: Pick<HandlerRow, 'name' | 'hypervisor'>): NeedRow[] {
  return needTable.filter((row) => row.hypervisors?.includes(hypervisor) === true || rowMatcher(row.handlers ?? [])(name));
}

const always = ['VERSION', 'versions.yaml'];
const defaultsFolder = 'share/defaults/';

const components = Object.entries(componentTable).map(([name, row]) => ({ name, fits: rowMatcher(row.globs, row.except) }));

/**
 * Which files of a release are written while it streams by: a superset of what `layOut` keeps in the end.
 *
 * A configuration may come after the images that it names, so the choice is by component; a file that no component claims is kept
 * too, because a configuration that is not upstream's may name it. All configurations are kept: they tell what else the bundle could
 * serve, and are small. Without `handlers` the candidates for the release's default are kept: which one it is shows only later.
 * Throws `handler-unknown`.
 */
export function keepFor(handlers: string[] | undefined, arch: Architecture): (path: string) => boolean {
  const rows = (handlers ?? handlerTable.defaults.candidates).map(handlerRow);
  const wanted = new Set(rows.flatMap((row) => componentsOf(row, arch)));
  const shims = new Set(rows.map((row) => row.shim));
  return (path) => {
    if (path.startsWith(defaultsFolder) || always.includes(path) || shims.has(path)) return true;
    const claims = components.filter((component) => component.fits(path));
    return claims.length === 0 || claims.some((component) => wanted.has(component.name));
  };
}

function componentsOf(row: HandlerRow, arch: Architecture): string[] {
  return [...(row.components[arch] ?? []), ...(row.named?.[arch] ?? [])];
}
