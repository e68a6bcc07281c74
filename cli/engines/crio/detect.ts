import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit, UnitState } from '../../systemd/types.ts';
import { firstThere, unitFile, unitTexts } from '../common/unitFiles.ts';
import { versionOf } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { readFlags, usualConfig, usualFolder } from './daemon.ts';
import { inAnyCase } from './handlers.ts';
import { loadSet } from './loader.ts';

const engine = 'crio';
const usualUnit = 'crio.service';
const usualSocket = '/var/run/crio/crio.sock';
const binaryPlaces = ['/usr/bin/crio', '/usr/local/bin/crio', '/opt/bin/crio', '/usr/sbin/crio'];

/** See `Engine.detect`. */
export async function detectCrio(host: HostView, hint?: string): Promise<Instance[]> {
  if (!host.live) return detectOffline(host, hint);
  const running = await detectRunning(host);
  return running.length > 0 ? running : detectStopped(host, hint);
}

async function detectRunning(host: HostView): Promise<Instance[]> {
  const systemd = await host.systemd();
  if (!systemd) return [];
  const others = (await systemd.activeUnits()).filter((unit) => /cri-?o/.test(unit) && unit.endsWith('.service') && unit !== usualUnit);
  const found: Instance[] = [];
  for (const unit of [usualUnit, ...others]) {
    const state = await systemd.unit(unit);
    const known = found.some((instance) => instance.process?.pid === state.mainPid);
    const instance = state.mainPid > 0 && !known ? await instanceOf(host, unit, state) : undefined;
    if (instance) found.push(instance);
  }
  return found;
}

async function instanceOf(host: HostView, unit: Unit, state: UnitState): Promise<Instance | undefined> {
  const flags = await readFlags(host, state.mainPid);
  if (!flags || posix.basename(flags.daemon.binary) !== 'crio') return undefined;
  const { daemon, configPath, configFolder } = flags;
  const version = await versionOf(host, daemon.binary);
  return {
    engine,
    ...(version === undefined ? {} : { version }),
    binary: daemon.binary,
    configPath,
    configFolder,
    socket: flags.socket ?? (await socketOf(host, configPath, configFolder)),
    unit,
    process: { pid: daemon.pid, startedMs: daemon.startedMs, binaryReplaced: daemon.binaryReplaced },
  };
}

/** Installed but not running: the unit's name is told, so that the gate can say what is wrong. */
async function detectStopped(host: HostView, hint?: string): Promise<Instance[]> {
  const binary = await firstThere(host, binaryPlaces);
  if (binary === undefined) return [];
  const state = await (await host.systemd())?.unit(usualUnit);
  const unit = state?.loadState === 'loaded' ? { unit: usualUnit } : {};
  return [await fromFiles(host, (await versionOf(host, binary)) ?? hint, binary, unit)];
}

/** No program of the tree is run: its version is what the caller says, or unknown. */
async function detectOffline(host: HostView, hint?: string): Promise<Instance[]> {
  const binary = await firstThere(host, binaryPlaces);
  const there = await Promise.all([usualConfig, usualFolder].map((path) => host.stat(path)));
  if (binary === undefined && hint === undefined && there.every((stat) => stat === undefined)) return [];
  const unit = (await unitFile(host, usualUnit)) === undefined ? {} : { unit: usualUnit };
  return [await fromFiles(host, hint, binary, unit)];
}

async function fromFiles(
  host: HostView,
  version: string | undefined,
  binary: HostPath | undefined,
  unit: { unit?: Unit },
): Promise<Instance> {
  const { configPath, configFolder } = await placesOfUnit(host);
  return {
    engine,
    ...(version === undefined || version === '' ? {} : { version }),
    ...(binary === undefined ? {} : { binary }),
    configPath,
    configFolder,
    socket: await socketOf(host, configPath, configFolder),
    ...unit,
  };
}

/** What the unit's own text names, by flag or by variable. Drop-ins win; a flag wins over a variable. */
async function placesOfUnit(host: HostView): Promise<{ configPath: HostPath; configFolder: HostPath }> {
  const text = (await unitTexts(host, usualUnit)).join('\n').replaceAll('\\\n', ' ');
  const last = (pattern: RegExp) => [...text.matchAll(pattern)].at(-1)?.groups?.['path'];
  const flag = (names: string) => last(new RegExp(`^\\s*ExecStart=.*\\s(?:${names})[\\s=](?<path>/\\S+)`, 'gm'));
  const variable = (name: string) => last(new RegExp(`^\\s*Environment=.*\\b${name}=(?<path>/[^\\s"']+)`, 'gm'));
  return {
    configPath: flag('-c|--config') ?? variable('CONTAINER_CONFIG') ?? usualConfig,
    configFolder: flag('-d|--config-dir') ?? variable('CONTAINER_CONFIG_DIR') ?? usualFolder,
  };
}

/** crio.api.listen of the last loaded file that has one; the usual one when the files do not load. */
async function socketOf(host: HostView, configPath: HostPath, configFolder: HostPath): Promise<HostPath> {
  const set = await loadSet(host, { engine, configPath, configFolder, socket: usualSocket }).catch(() => undefined);
  let found: unknown[] = (set?.files ?? []).map((file) => file.doc.value);
  for (const key of ['crio', 'api', 'listen']) found = found.flatMap((table) => inAnyCase(table, key));
  const last = found.findLast((address) => typeof address === 'string' && address.startsWith('/'));
  return typeof last === 'string' ? last : usualSocket;
}
