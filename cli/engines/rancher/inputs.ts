import { posix } from 'node:path';
import { isTable, parseDocument, type TomlDocument, type TomlTable } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView, type Overlay } from '../common/filesView.ts';
import { type SeenMark, withoutOurs } from '../common/seen.ts';
import { parseVersion } from '../common/version.ts';
import type { Instance, WantedHandler } from '../types.ts';
import { isNew } from './base.ts';
import { type ConfigSet, leadsToOurs, loadSet, runtimesOf } from './containerd.ts';
import { isTemplate, schemaOfText, templatePath, withoutRuntimes } from './rendered.ts';
import { readTemplate } from './templates.ts';
import type { Schema } from './types.ts';

/** A template of the administrator's, without the text of kata-sysext. */
export interface Template {
  schema: Schema;
  path: HostPath;
  /** With links followed. */
  real: HostPath;
  text: string;
  /** undefined where it is no TOML around its actions. */
  doc: TomlDocument | undefined;
}

/** What the program reads, and what it made of that at its last start: all without kata-sysext's handlers. */
export interface Inputs {
  /** With the templates and drop-ins. */
  folder: HostPath;
  templates: Template[];
  /** The one that the next start takes. */
  active: Template | undefined;
  /** undefined before the first start. */
  rendered: { real: HostPath; text: string; schema: Schema } | undefined;
  /** It was rendered from another template than the one that the next start takes. */
  isOlder: boolean;
  /** The files as they would be without the text of kata-sysext. */
  base: Overlay;
  /** What containerd loads now: no file where nothing was rendered. */
  set: ConfigSet;
}

/** The same before containerd's rules are applied to it. */
export interface Unchecked extends Pick<Inputs, 'templates' | 'active'> {
  /** undefined before the first start. */
  rendered: TomlDocument | 'no TOML' | undefined;
}

/** Throws engine-config-invalid for a configuration that containerd cannot read. `ours`: handlers whose tables may be in it. */
export async function readInputs(
  host: HostView,
  instance: Instance,
  seen: readonly SeenMark[],
  ours: readonly WantedHandler[],
  check: (now: Unchecked) => void,
): Promise<Inputs> {
  const version = parseVersion(instance.version);
  const folder = posix.dirname(instance.configPath);
  const input = withoutOurs(seen);
  const templates = await templatesIn(host, folder, input);
  const read = await filesView(host).read(instance.configPath);
  const active = activeOf(templates, isNew(version));
  check({ templates, active, rendered: read === undefined ? undefined : (documentOf(read.text, instance.configPath) ?? 'no TOML') });
  const base = new Map(input);
  let rendered: Inputs['rendered'];
  if (read !== undefined) {
    const doc = parseDocument(read.text, instance.configPath);
    const text = withoutRuntimes(doc, [...namesInMarks(seen), ...namesByValue(doc.value, ours)]);
    rendered = { real: read.real, text, schema: schemaOfText(doc) };
    base.set(read.real, text);
  }
  const set = await loadSet(filesView(host, base), instance.configPath, version);
  const fits =
    rendered === undefined ||
    active === undefined ||
    active.schema === rendered.schema ||
    (rendered.schema === 2 && isNew(version) === undefined);
  return { folder, templates, active, rendered, isOlder: !fits, base, set };
}

/** containerd 1 reads schema 2 alone, whatever templates there are. */
function activeOf(templates: readonly Template[], isNewer: boolean | undefined): Template | undefined {
  return templates.find(({ schema }) => schema === 3 && isNewer !== false) ?? templates.find(({ schema }) => schema === 2);
}

function documentOf(text: string, path: HostPath): TomlDocument | undefined {
  try {
    return parseDocument(text, path);
  } catch {
    return undefined;
  }
}

async function templatesIn(host: HostView, folder: HostPath, base: Overlay): Promise<Template[]> {
  const found: Template[] = [];
  for (const schema of [3, 2] as const) {
    const path = templatePath(folder, schema);
    const read = await filesView(host, base).read(path);
    if (read !== undefined) found.push({ schema, path, ...read, doc: readTemplate(read.text, path) });
  }
  return found;
}

/** Handlers in the intact texts of kata-sysext in templates, which are in what was rendered from them. */
function namesInMarks(seen: readonly SeenMark[]): string[] {
  const marks = seen.filter(({ mark, state }) => state === 'intact' && isTemplate(mark.path));
  return marks.flatMap(({ mark }) => Object.keys(runtimesOf(readTemplate(mark.text, mark.path)?.value ?? {})));
}

/** The rendered file is not recorded: what names kata-sysext's own paths in it is kata-sysext's. */
function namesByValue(value: TomlTable, ours: readonly WantedHandler[]): string[] {
  return Object.entries(runtimesOf(value)).flatMap(([name, table]) =>
    isTable(table) && ours.some((handler) => handler.name === name && leadsToOurs(table, handler)) ? [name] : [],
  );
}
