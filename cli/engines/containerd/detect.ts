import { posix } from 'node:path';
import { valueAt } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit, UnitState } from '../../systemd/types.ts';
import { type Daemon, detectDaemon, findRecordedDaemon } from '../common/detect.ts';
import { filesView } from '../common/filesView.ts';
import { flagOf, pathOf, readDaemon } from '../common/process.ts';
import { startOfUnit, unitTexts } from '../common/unitFiles.ts';
import { versionOf } from '../common/version.ts';
import type { Instance, Wiring } from '../types.ts';
import { loadSet } from './loader.ts';

const engine = 'containerd';
const usualUnit = 'containerd.service';
const usualConfig = '/etc/containerd/config.toml';
const usualSocket = '/run/containerd/containerd.sock';

const daemon: Daemon = {
  program: 'containerd',
  usualUnit,
  otherUnits: /containerd/,
  binaryPlaces: ['/usr/bin/containerd', '/usr/local/bin/containerd', '/opt/bin/containerd', '/usr/sbin/containerd'],
  running: instanceOf,
  fromFiles: async (host, known, unit = usualUnit, wiring) => {
    const configPath = (await configOfUnit(host, unit)) ?? wiring?.configPath ?? usualConfig;
    return { engine, ...known, configPath, socket: await socketOf(host, configPath) };
  },
  isConfigured: async (host) => (await host.stat((await configOfUnit(host, usualUnit)) ?? usualConfig)) !== undefined,
};

/** See `Engine.detect`. */
export function detectContainerd(host: HostView, hint?: string): Promise<Instance[]> {
  return detectDaemon(host, hint, daemon);
}

/** See `Engine.findRecorded`. */
export function findRecordedContainerd(host: HostView, wiring: Wiring): Promise<Instance | undefined> {
  return findRecordedDaemon(host, wiring, daemon);
}

async function instanceOf(host: HostView, unit: Unit, state: UnitState): Promise<Instance | undefined> {
  const main = await readDaemon(host, state.mainPid);
  if (!main || posix.basename(main.binary) !== 'containerd') return undefined;
  // The unit's CONTAINERD_CONFIG and the like are expanded by systemd: the command line says what is read
  // (docs/facts/containerd.md#which-file-a-daemon-reads).
  const config = flagOf(main.args, ['c', 'config']);
  const address = flagOf(main.args, ['a', 'address']);
  const configPath = config === undefined ? usualConfig : pathOf(main, config);
  const version = await versionOf(host, main.binary);
  return {
    engine,
    ...(version === undefined ? {} : { version }),
    binary: main.binary,
    configPath,
    socket: address === undefined ? await socketOf(host, configPath) : pathOf(main, address),
    unit,
    process: { pid: main.pid, startedMs: main.startedMs, binaryReplaced: main.binaryReplaced },
  };
}

/**
 * The configuration that the unit's own text names: `--config PATH`, or CONTAINERD_CONFIG where ExecStart expands it (Flatcar). Drop-ins win.
 * undefined where it names none.
 */
async function configOfUnit(host: HostView, unit: Unit): Promise<HostPath | undefined> {
  const start = (await startOfUnit(host, unit)) ?? '';
  const flag = [...start.matchAll(/\s(?:-c|--config)[\s=](?<path>\/\S+)/g)].at(-1)?.groups?.['path'];
  if (flag !== undefined || !/\s(?:-c|--config)[\s=]"?\$/.test(start)) return flag;
  const text = (await unitTexts(host, unit)).join('\n');
  const set = [...text.matchAll(/^[ \t]*Environment=["']?CONTAINERD_CONFIG=(?<path>\/[^\s"']+)/gm)];
  return set.at(-1)?.groups?.['path'];
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
