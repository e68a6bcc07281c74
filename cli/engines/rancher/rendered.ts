import { posix } from 'node:path';
import type { AST } from 'toml-eslint-parser';
import { isTable, parseDocument, renderTable, sameSettings, type TomlDocument, type TomlTable } from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import { digestOf } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import type { FileChange, Instance, WiringPlan } from '../types.ts';
import { pluginOf, runtimesOf, runtimesPath } from './containerd.ts';
import { asRendered, asToml, readTemplate } from './templates.ts';
import type { Schema } from './types.ts';

/** The text of a configuration without the tables of these runtimes. */
export function withoutRuntimes(doc: TomlDocument, names: readonly string[]): string {
  const nodes = doc.program.body[0].body.filter((node) => node.type === 'TOMLTable');
  let { text } = doc;
  for (const node of [...nodes].reverse()) {
    if (!names.some((name) => isOf(node, name))) continue;
    const from = text.lastIndexOf('\n', doc.start + node.range[0] - 1) + 1;
    const lineEnd = text.indexOf('\n', doc.start + node.range[1]);
    text = text.slice(0, from) + (lineEnd < 0 ? '' : text.slice(lineEnd + 1));
  }
  return text;
}

function isOf({ resolvedKey }: AST.TOMLTable, name: string): boolean {
  return [2, 3].some((schema) => [...runtimesPath(pluginOf(schema)), name].every((part, index) => resolvedKey[index] === part));
}

export function schemaOfText({ value }: TomlDocument): Schema {
  return typeof value['version'] === 'number' && value['version'] >= 3 ? 3 : 2;
}

/** The template of this schema beside the configuration. */
export function templatePath(folder: HostPath, schema: Schema): HostPath {
  return `${folder}/${templateName(schema)}`;
}

export function templateName(schema: Schema): string {
  return `${schema === 3 ? 'config-v3' : 'config'}.toml.tmpl`;
}

/**
 * A plan as containerd meets it: in place of the templates, the configuration as the program will render it from them. Throws host-unknown
 * where none was rendered yet.
 */
export async function renderedPlan(host: HostView, instance: Instance, plan: WiringPlan): Promise<WiringPlan> {
  const read = await filesView(host).read(instance.configPath);
  if (read === undefined) throw notRendered(instance);
  const text = await renderedAfter(host, read, plan.changes);
  const templates = plan.changes.filter(({ path }) => isTemplate(path));
  const ours = templates.flatMap((change) => change.ours.map(asToml));
  const change: FileChange = {
    path: read.real,
    before: digestOf(read.text),
    after: { text },
    foreign: true,
    ours,
    tmpDir: '',
  };
  return { ...plan, changes: [...plan.changes.filter(({ path }) => !isTemplate(path)), change] };
}

export function isTemplate(path: HostPath): boolean {
  return path.endsWith('.toml.tmpl');
}

/** The text of a rendered configuration once its template says `is` of runtimes in place of `was`. */
export function textAfter(text: string, path: HostPath, was: TomlTable, is: TomlTable): string {
  const doc = parseDocument(text, path);
  const plugin = pluginOf(schemaOfText(doc));
  const differing = Object.keys({ ...was, ...is }).filter((name) => !same(was[name], is[name]));
  const lines = differing.flatMap((name) => (isTable(is[name]) ? renderTable([...runtimesPath(plugin), name], is[name]) : []));
  const rest = withoutRuntimes(doc, differing);
  return `${rest}${rest.endsWith('\n') || rest === '' ? '' : '\n'}${asRendered(lines)}`;
}

async function renderedAfter(
  host: HostView,
  { real, text }: { real: HostPath; text: string },
  changes: readonly FileChange[],
): Promise<string> {
  const name = templateName(schemaOfText(parseDocument(text, real)));
  const change = changes.find(({ path }) => posix.basename(path) === name);
  if (change === undefined) return text;
  const before = (await filesView(host).read(change.path))?.text ?? '';
  const after = change.after === 'absent' ? '' : change.after.text;
  return textAfter(text, real, runtimesIn(before, change.path, change.ours), runtimesIn(after, change.path, change.ours));
}

/** What a template says of runtimes; of one that is no TOML around its actions, what the texts of kata-sysext in it say. */
export function runtimesIn(text: string, path: HostPath, ours: readonly string[]): TomlTable {
  const doc = readTemplate(text, path);
  if (doc !== undefined) return runtimesOf(doc.value);
  return Object.assign(
    {},
    ...ours.filter((each) => text.includes(each)).map((each) => runtimesOf(readTemplate(each, path)?.value ?? {})),
  ) as TomlTable;
}

function same(a: unknown, b: unknown): boolean {
  return isTable(a) && isTable(b) && sameSettings(a, b);
}

export function notRendered({ renderer, configPath, unit }: Instance): KataError {
  const title = renderer?.title ?? 'the program';
  return new KataError('host-unknown', {
    subject: configPath,
    found: `${title} has not written ${configPath} yet`,
    needed: 'its configuration, to ask containerd what it would make of the change',
    next: unit === undefined ? `install ${title} and start it once: it writes the file then` : `systemctl start ${unit}`,
  });
}
