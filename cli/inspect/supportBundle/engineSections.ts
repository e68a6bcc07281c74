import { posix } from 'node:path';
import { backendUnits } from '../../backends/registry.ts';
import { isTable, parseDocument, type TomlTable } from '../../documents/toml/index.ts';
import { enginePlugins } from '../../engines/index.ts';
import { harmless } from '../../gate/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import type { Found } from '../../planning/types.ts';
import { findEngines } from '../../preflight/engines.ts';
import { activeGeneration } from '../../store/index.ts';
import type { Unit } from '../../systemd/types.ts';
import type { Asked, SectionRow } from './types.ts';

export const engineSections: SectionRow[] = [
  {
    name: 'configuration',
    title: 'The engine’s configuration: files, names of tables, and the values of a few keys',
    lines: configuration,
  },
  { name: 'units', title: 'Units', limitMs: 15_000, lines: units },
  { name: 'engine-log', title: 'The last lines of the engine’s log', limitMs: 20_000, lines: engineLog },
  { name: 'kata-log', title: 'The last lines of kata-sysext and of the shims', limitMs: 20_000, lines: kataLog },
];

const most = { files: 60, bytes: 512 * 1024 };

async function configuration({ host }: Asked): Promise<string[]> {
  const paths = [
    ...new Set([...(await Promise.all(folders().map((folder) => tomlsBelow(host, folder, 3)))).flat(), ...(await engineFiles(host))]),
  ];
  const lines = await Promise.all(paths.slice(0, most.files).map((path) => shapeOf(host, path)));
  return lines.length === 0 ? [`no file in ${folders().join(' or ')}`] : lines.flat();
}

function folders(): HostPath[] {
  return enginePlugins().flatMap(({ report }) => report.configuration);
}

async function engineFiles(host: HostView): Promise<HostPath[]> {
  return (await wiredEngines(host)).map(({ instance }) => instance.configPath);
}

async function tomlsBelow(host: HostView, folder: HostPath, depth: number): Promise<HostPath[]> {
  const found: HostPath[] = [];
  for (const name of await host.readdir(folder).catch(() => [])) {
    const path = posix.join(folder, name);
    const kind = (await host.lstat(path))?.kind;
    // Registries have tables of credentials, and say nothing about handlers.
    if (kind === 'directory' && depth > 0 && name !== 'certs.d') found.push(...(await tomlsBelow(host, path, depth - 1)));
    else if (kind !== 'directory' && /\.(?:toml|conf)$|^\d+-/.test(name)) found.push(path);
  }
  return found;
}

async function shapeOf(host: HostView, path: HostPath): Promise<string[]> {
  const stat = await host.stat(path);
  if (stat === undefined) return [`${path}: not there`];
  const head = `${path}: ${stat.kind} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.sizeBytes} bytes, changed ${new Date(stat.modifiedMs).toISOString()}`;
  if (stat.kind !== 'file' || stat.sizeBytes > most.bytes) return [head];
  try {
    return [head, ...tableLines(parseDocument((await host.readFile(path)).toString('utf8'), path).value, [])];
  } catch {
    // A parser's message may show what it could not read.
    return [head, '   not readable as TOML'];
  }
}

/** Tables of handlers, whatever the engine. */
const handlerTables = /^kata[\w-]*$/;

/** Tables that matter for handlers, and keys whose values are the engine's own; names of others may be registries or accounts. */
function isShown(what: 'tables' | 'keys', name: string): boolean {
  if (what === 'tables' && handlerTables.test(name)) return true;
  return enginePlugins().some(({ report }) => report[what]?.test(name));
}

function tableLines(table: TomlTable, above: string[]): string[] {
  return Object.entries(table).flatMap(([key, value]) => {
    const path = [...above, key];
    const line = `   ${path.join(' / ')}`;
    if (isTable(value))
      return isShown('tables', key) ? [line, ...tableLines(value, path)] : [`   ${[...above, '(another table)'].join(' / ')}`];
    return isShown('keys', key) && isPlain(value) ? [`${line} = ${JSON.stringify(value)}`] : [];
  });
}

function isPlain(value: unknown): boolean {
  return (
    ['string', 'number', 'boolean', 'bigint'].includes(typeof value) ||
    (Array.isArray(value) && value.every((each) => typeof each === 'string'))
  );
}

const others: Unit[] = ['kubelet.service', ...backendUnits()];

async function wiredEngines(host: HostView): Promise<Found[]> {
  return findEngines(host, undefined, (await activeGeneration(host))?.record.wiring).catch(() => []);
}

async function engineUnitsOf(host: HostView): Promise<Unit[]> {
  return (await wiredEngines(host)).flatMap(({ instance }) => instance.unit ?? []);
}

/** Never a unit's environment, which is where proxies and tokens are. */
async function units({ host }: Asked): Promise<string[]> {
  const systemd = await host.systemd();
  if (systemd === undefined) return ['systemd does not answer, or the tree is not running'];
  const engines = await engineUnitsOf(host);
  const own = await systemd.activeUnits('kata-sysext*');
  const names = [...new Set([...engines, ...enginePlugins().flatMap((row) => row.units), ...others, ...own])];
  const states = await Promise.all(names.map((name) => systemd.unit(name)));
  return states
    .filter(({ loadState }) => loadState !== 'not-found')
    .flatMap((state) => [
      `${state.unit}: ${state.loadState}, ${state.activeState} (${state.subState}), result ${state.result}, ${state.restarts} restarts, KillMode ${state.killMode}${state.needDaemonReload ? ', needs daemon-reload' : ''}`,
      `   since ${state.activeEnterMs === 0 ? 'never' : new Date(state.activeEnterMs).toISOString()}; ${[state.fragmentPath, ...state.dropInPaths].join(' ')}`,
      `   required by ${state.requiredBy.join(' ') || 'none'}; bound by ${state.boundBy.join(' ') || 'none'}; parts ${state.consistsOf.join(' ') || 'none'}`,
    ]);
}

async function engineLog(asked: Asked): Promise<string[]> {
  const units = asked.host.live ? await engineUnitsOf(asked.host) : [];
  if (units.length === 0) return ['no running engine is known'];
  return journal(
    asked,
    units.flatMap((unit) => ['--unit', unit]),
  );
}

async function kataLog(asked: Asked): Promise<string[]> {
  if (!asked.host.live) return ['a host tree that is not running has none'];
  return [
    ...(await journal(asked, ['--unit', 'kata-sysext*'])),
    ...(await journal(asked, ['--identifier', 'kata', '--identifier', 'containerd-shim-kata-v2'])),
  ];
}

async function journal({ host, verbose }: Asked, which: string[]): Promise<string[]> {
  if (!(await host.has('journalctl'))) return ['there is no journalctl'];
  const wanted = verbose ? 1000 : 200;
  const { stdout, stderr } = await host.run(
    'journalctl',
    // More than is shown: many of them say nothing.
    [...which, '--boot', '--lines', String(4 * wanted), '--no-pager', '--quiet', '--no-hostname', '--output', 'short-iso'],
    { timeoutMs: 15_000, accept: [0, 1] },
  );
  const lines = stdout
    .split('\n')
    .filter((line) => line !== '' && !enginePlugins().some(({ report }) => report.logNoise?.test(line)))
    .slice(-wanted);
  const kept = lines.filter(harmless);
  const left = lines.length - kept.length;
  return [
    ...kept,
    ...(left === 0 ? [] : [`(${left} lines that show configuration or credentials are left out)`]),
    ...(kept.length > 0 || stderr === '' ? [] : [stderr.trim()]),
  ];
}
