import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import { KataError } from '../errors/index.ts';
import { nearest } from '../errors/suggest.ts';

export type Architecture = 'x86_64' | 'aarch64' | 's390x' | 'ppc64le';

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
