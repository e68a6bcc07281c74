import { readJsonText } from '../../documents/jsonFile/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { refused, rejected, verdicts } from '../common/complaints.ts';
import { differences } from '../common/differences.ts';
import type { Scratch } from '../contract.ts';
import type { EffectiveDiff, Instance, WiringPlan } from '../types.ts';
import { refuseFatal } from './checks.ts';
import { runtimesKey, type Table } from './runtimes.ts';
import { textOf } from './seen.ts';

const validateMs = 30_000;

/**
 * Docker's binary dumps nothing. What it makes of its file is the file's own value, once `dockerd --validate` takes the file and nothing in
 * it keeps the daemon from starting.
 */
export async function dumpEffective(host: HostView, instance: Instance): Promise<Table> {
  const text = await textOf(host, await host.realpath(instance.configPath));
  if (text === undefined) return {};
  const value = readTable(text, instance);
  await askBinary(host, instance, instance.configPath);
  return value;
}

/** See `EngineDump.renderPlanned`. */
export async function renderPlanned(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<Table> {
  const path = await host.realpath(instance.configPath);
  const { after } = plan.changes.findLast((change) => change.path === path) ?? { after: undefined };
  const text = after === undefined ? await textOf(host, path) : after === 'absent' ? undefined : after.text;
  if (text === undefined) return {};
  const value = readTable(text, instance);
  await askBinary(host, instance, await scratch('daemon.json', text)).catch((error: unknown) => {
    throw rejected(instance, error);
  });
  return value;
}

/** See `EngineDump.validate`. */
export async function validateDocker(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<EffectiveDiff> {
  const before = await dumpEffective(host, instance);
  const after = await renderPlanned(host, instance, plan, scratch);
  const names = (plan.wiring?.handlers ?? []).map(({ name }) => name);
  const gone = Object.keys(tableIn(before)).filter((name) => !Object.hasOwn(tableIn(after), name));
  return compareDumps(before, after, [...names, ...(plan.wiring === undefined ? gone : [])]);
}

/** An empty object of handlers says as much as none. */
export function compareDumps(before: Record<string, unknown>, after: Record<string, unknown>, handlers: string[]): EffectiveDiff {
  const all = differences(filled(before), filled(after), []);
  const ours = all.filter((key) => handlers.some((name) => `${key}.`.startsWith(`${runtimesKey}.${name}.`)));
  return { ours, others: all.filter((key) => !ours.includes(key)), warnings: [] };
}

function filled(dump: Record<string, unknown>): Record<string, unknown> {
  const { [runtimesKey]: runtimes, ...rest } = dump;
  return Object.keys(tableIn(dump)).length === 0 ? rest : { ...rest, [runtimesKey]: runtimes };
}

function tableIn(dump: Record<string, unknown>): Table {
  const table = dump[runtimesKey];
  return typeof table === 'object' && table !== null ? (table as Table) : {};
}

function readTable(text: string, instance: Instance): Table {
  const value = (readJsonText(text, instance.configPath)?.value ?? {}) as Table;
  refuseFatal({ path: instance.configPath, now: text }, value, instance);
  return value;
}

/** Its words may hold values of the file, so none is shown. A missing docker-proxy says nothing of the file. */
async function askBinary(host: HostView, { binary }: Instance, path: HostPath): Promise<void> {
  if (binary === undefined) return;
  const args = ['--validate', '--config-file', path];
  const ran = await host.run(binary, args, { timeoutMs: validateMs, accept: verdicts });
  if (ran.code === 0 || /docker-proxy|userland[ -]proxy/i.test(ran.stderr + ran.stdout)) return;
  throw refused(binary, path, args, 'dockerd --validate refuses it.');
}
