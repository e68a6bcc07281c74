import { posix } from 'node:path';
import { blockOf, isTable, parseDocument, readings, renderTable, type TomlTable, valueAt } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { unsupported } from '../common/unsupported.ts';
import { parseVersion } from '../common/version.ts';
import { highestSchema, newPlugin, oldPlugin, pluginOf, runtimesOf, runtimesPath } from '../containerd/schema.ts';
import { plannedDump, validateContainerd } from '../containerd/validate.ts';
import type { Scratch } from '../contract.ts';
import type { EffectiveDiff, FileChange, Instance, WiringPlan } from '../types.ts';
import { wiringFile } from './facts.ts';
import { readNodeConfig } from './nodeConfig.ts';

/** See `EngineDump.validate`: containerd judges a copy of the rendered file with what nodeadm will merge into it. */
export async function validateNodeadm(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<EffectiveDiff> {
  return validateContainerd(host, instance, await asRendered(host, instance, plan), scratch);
}

/** See `EngineDump.renderPlanned`. */
export async function renderPlanned(
  host: HostView,
  instance: Instance,
  plan: WiringPlan,
  scratch: Scratch,
): Promise<Record<string, unknown>> {
  return (await plannedDump(host, instance, await asRendered(host, instance, plan), scratch)).value;
}

/**
 * The plan as if it changed the file that nodeadm renders. The rendered file says in which schema nodeadm renders now, and the planned
 * plugin ids keep that. Handlers that the rendered file has of an earlier wiring go.
 */
export async function asRendered(host: HostView, instance: Instance, plan: WiringPlan): Promise<WiringPlan> {
  const overlay = new Map(plan.changes.map(({ path, after }) => [path, after === 'absent' ? ('absent' as const) : after.text]));
  const ours: string[] = [];
  for (const change of plan.changes) for (const text of change.ours) ours.push(await configIn(text, change.path));
  const own = await filesView(host, overlay).read(wiringFile);
  const wanted = own === undefined ? {} : runtimesOf((await readNodeConfig(own.text, wiringFile)).value);
  const main = await filesView(host).read(instance.configPath);
  const former = ours.flatMap((text) => Object.keys(runtimesOf(parseDocument(text, wiringFile).value)));
  const bare = [...new Set([...former, ...Object.keys(wanted)])].reduce(
    (text, name) => withoutRuntime(text, name, instance.configPath),
    main?.text ?? '',
  );
  return { ...plan, changes: [renderedChange(main?.real ?? instance.configPath, withRuntimes(bare, wanted, instance), ours)] };
}

/** A text of other programs in the folder may be no NodeConfig: it has no handler. */
async function configIn(text: string, path: HostPath): Promise<string> {
  return (await readNodeConfig(text, path).catch(() => undefined))?.config ?? '';
}

function withoutRuntime(text: string, name: string, path: HostPath): string {
  let left = text;
  for (const plugin of [oldPlugin, newPlugin]) {
    const table = [...runtimesPath(plugin), name];
    const doc = parseDocument(left, path);
    if (valueAt(doc.value, table) === undefined) continue;
    const block = blockOf(doc, [table]);
    if (block === undefined) throw notRendered(path, `the handler ${name}`);
    const at = left.indexOf(block);
    left = left.slice(0, at) + left.slice(at + block.length);
  }
  return left;
}

function notRendered(path: HostPath, what: string): Error {
  return unsupported(
    path,
    `${path} has ${what} in a shape that nodeadm does not write.`,
    'The file as nodeadm renders it.',
    'Let nodeadm render it again: systemctl restart nodeadm-run.service',
  );
}

/** Whether two parsers take it: an inline table takes no table below it. */
function isReadable(text: string, path: HostPath): boolean {
  try {
    return readings(text, path).length > 0;
  } catch {
    return false;
  }
}

function withRuntimes(text: string, runtimes: TomlTable, instance: Instance): string {
  const { version } = parseDocument(text, instance.configPath).value;
  const known = parseVersion(instance.version);
  const schema = typeof version === 'number' ? version : known === undefined ? 2 : Math.min(3, highestSchema(known));
  const head = version === undefined ? `version = ${schema}\n` : '';
  const tables = Object.entries(runtimes).flatMap(([name, table]) =>
    isTable(table) ? ['', ...renderTable([...runtimesPath(pluginOf(schema)), name], table)] : [],
  );
  const mark = text.startsWith('\ufeff') ? '\ufeff' : '';
  const whole = `${mark}${head}${text.slice(mark.length)}${text === '' || text.endsWith('\n') ? '' : '\n'}${tables.map((line) => `${line}\n`).join('')}`;
  if (isReadable(text, instance.configPath) && !isReadable(whole, instance.configPath))
    throw notRendered(instance.configPath, 'a parent of the handlers');
  return whole;
}

function renderedChange(path: HostPath, text: string, ours: string[]): FileChange {
  return { path, before: 'absent', after: { text }, foreign: true, ours, tmpDir: posix.dirname(path) };
}
