import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit, UnitState } from '../../systemd/types.ts';
import { filesView } from '../common/filesView.ts';
import { flagOf, pathOf, readDaemon } from '../common/process.ts';
import { firstThere, unitFile, unitTexts } from '../common/unitFiles.ts';
import { versionOf } from '../common/version.ts';
import { valueAt } from '../toml/index.ts';
import type { Instance } from '../types.ts';
import { loadSet } from './loader.ts';

const engine = 'containerd';
const usualUnit = 'containerd.service';
const usualConfig = '/etc/containerd/config.toml';
const usualSocket = '/run/containerd/containerd.sock';
const binaryPlaces = ['/usr/bin/containerd', '/usr/local/bin/containerd', '/opt/bin/containerd', '/usr/sbin/containerd'];

/** See `Engine.detect`. */
export async function detectContainerd(host: HostView, hint?: string): Promise<Instance[]> {
  if (!host.live) return detectOffline(host, hint);
  const running = await detectRunning(host);
  return running.length > 0 ? running : detectStopped(host, hint);
}

async function detectRunning(host: HostView): Promise<Instance[]> {
  const systemd = await host.systemd();
  if (!systemd) return [];
  const others = (await systemd.activeUnits()).filter(
    (unit) => unit.endsWith('.service') && unit.includes('containerd') && unit !== usualUnit,
  );
  const found: Instance[] = [];
  for (const unit of [usualUnit, ...others]) {
    const state = await systemd.unit(unit);
    const instance = state.mainPid > 0 ? await instanceOf(host, unit, state) : undefined;
    if (instance) found.push(instance);
  }
  return found;
}

async function instanceOf(host: HostView, unit: Unit, state: UnitState): Promise<Instance | undefined> {
  const daemon = await readDaemon(host, state.mainPid);
  if (!daemon || posix.basename(daemon.binary) !== 'containerd') return undefined;
  // The unit's CONTAINERD_CONFIG and the like are expanded by systemd: the command line says what is read (facts/cri.md §1.9).
  const config = flagOf(daemon.args, ['c', 'config']);
  const address = flagOf(daemon.args, ['a', 'address']);
  const configPath = config === undefined ? usualConfig : pathOf(daemon, config);
  const version = await versionOf(host, daemon.binary);
  return {
    engine,
    ...(version === undefined ? {} : { version }),
    binary: daemon.binary,
    configPath,
    socket: address === undefined ? await socketOf(host, configPath) : pathOf(daemon, address),
    unit,
    process: { pid: daemon.pid, startedMs: daemon.startedMs, binaryReplaced: daemon.binaryReplaced },
  };
}

/** Installed but not running: the unit's name is told, so that the gate can say what is wrong. */
async function detectStopped(host: HostView, hint?: string): Promise<Instance[]> {
  const binary = await firstThere(host, binaryPlaces);
  if (binary === undefined) return [];
  const state = await (await host.systemd())?.unit(usualUnit);
  const configPath = await configOfUnit(host);
  const version = (await versionOf(host, binary)) ?? hint;
  const unit = state?.loadState === 'loaded' ? { unit: usualUnit } : {};
  return [{ engine, ...(version === undefined ? {} : { version }), binary, configPath, socket: await socketOf(host, configPath), ...unit }];
}

/** No program of the tree is run: its version is what the caller says, or unknown. */
async function detectOffline(host: HostView, hint?: string): Promise<Instance[]> {
  const binary = await firstThere(host, binaryPlaces);
  const configPath = await configOfUnit(host);
  if (binary === undefined && hint === undefined && !(await host.stat(configPath))) return [];
  const unit = (await unitFile(host, usualUnit)) === undefined ? {} : { unit: usualUnit };
  return [
    {
      engine,
      ...(hint === undefined || hint === '' ? {} : { version: hint }),
      ...(binary === undefined ? {} : { binary }),
      configPath,
      socket: await socketOf(host, configPath),
      ...unit,
    },
  ];
}

/** The configuration that the unit's own text names: `--config PATH`, or CONTAINERD_CONFIG where ExecStart expands it (Flatcar). Drop-ins win. */
async function configOfUnit(host: HostView): Promise<HostPath> {
  let config: HostPath = usualConfig;
  for (const text of await unitTexts(host, usualUnit)) {
    const variable = /^\s*Environment=["']?CONTAINERD_CONFIG=(?<path>\/[^\s"']+)/m.exec(text)?.groups?.['path'];
    const flag = /^\s*ExecStart=.*\s(?:-c|--config)[\s=](?<path>\/\S+)/m.exec(text)?.groups?.['path'];
    config = variable ?? flag ?? config;
  }
  return config;
}

/** grpc.address of the last loaded file that has one (schema 4 moved it); the usual one when the files do not load. */
async function socketOf(host: HostView, configPath: HostPath): Promise<HostPath> {
  const set = await loadSet(filesView(host), configPath).catch(() => undefined);
  const places = [
    ['grpc', 'address'],
    ['plugins', 'io.containerd.server.v1.grpc', 'address'],
  ];
  const addresses = (set?.files ?? []).flatMap((file) => places.map((place) => valueAt(file.doc.value, place)));
  const last = addresses.findLast((address) => typeof address === 'string' && address.startsWith('/'));
  return typeof last === 'string' ? last : usualSocket;
}
