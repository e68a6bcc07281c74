import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit, UnitState } from '../../systemd/types.ts';
import { type Daemon, detectDaemon, findRecordedDaemon } from '../common/detect.ts';
import { environmentOf, expandVariables } from '../common/unitEnvironment.ts';
import { serviceValues, unitTexts } from '../common/unitFiles.ts';
import { versionOf } from '../common/version.ts';
import type { Instance, Wiring } from '../types.ts';
import { readFlags, usualConfig, usualFolder } from './daemon.ts';
import { inAnyCase } from './handlers.ts';
import { loadSet } from './loader.ts';

const engine = 'crio';
const usualUnit = 'crio.service';
const usualSocket = '/var/run/crio/crio.sock';

const crio: Daemon = {
  program: 'crio',
  usualUnit,
  otherUnits: /cri-?o/,
  binaryPlaces: ['/usr/bin/crio', '/usr/local/bin/crio', '/opt/bin/crio', '/usr/sbin/crio'],
  running: instanceOf,
  fromFiles: async (host, known, unit = usualUnit, wiring) => {
    const { configPath, configFolder } = await placesOfUnit(host, unit, wiring);
    return { engine, ...known, configPath, configFolder, socket: await socketOf(host, configPath, configFolder) };
  },
  isConfigured: async (host) => {
    const there = await Promise.all([usualConfig, usualFolder].map((path) => host.stat(path)));
    return there.some((stat) => stat !== undefined);
  },
};

/** See `Engine.detect`. */
export function detectCrio(host: HostView, hint?: string): Promise<Instance[]> {
  return detectDaemon(host, hint, crio);
}

/** See `Engine.findRecorded`. */
export function findRecordedCrio(host: HostView, wiring: Wiring): Promise<Instance | undefined> {
  return findRecordedDaemon(host, wiring, crio);
}

async function instanceOf(host: HostView, unit: Unit, state: UnitState): Promise<Instance | undefined> {
  const flags = await readFlags(host, state.mainPid);
  if (!flags || posix.basename(flags.daemon.binary) !== 'crio') return undefined;
  const { daemon, configPath, configFolder } = flags;
  const version = await versionOf(host, daemon.binary);
  return {
    engine,
    version,
    binary: daemon.binary,
    configPath,
    configFolder,
    socket: flags.socket ?? (await socketOf(host, configPath, configFolder)),
    unit,
    process: { pid: daemon.pid, startedMs: daemon.startedMs, binaryReplaced: daemon.binaryReplaced },
  };
}

/**
 * What the unit's own text names, by flag or by variable: in the unit, or in a file of EnvironmentFile= (`$CRIO_CONFIG_OPTIONS` of the
 * package's unit). Drop-ins win; a flag wins over a variable.
 */
async function placesOfUnit(host: HostView, unit: Unit, wiring?: Wiring): Promise<{ configPath: HostPath; configFolder: HostPath }> {
  const texts = await unitTexts(host, unit);
  const written = serviceValues(texts, 'ExecStart').at(-1) ?? '';
  const environment = await environmentOf(host, unit, texts);
  const start = expandVariables(written, environment) ?? written;
  const flag = (names: string) =>
    [...start.matchAll(new RegExp(`\\s["']?(?:${names})[\\s=]["']?(?<path>/[^\\s"']+)`, 'g'))].at(-1)?.groups?.['path'];
  const variable = (name: string) => {
    const value = environment.values.get(name);
    return value?.startsWith('/') ? value : undefined;
  };
  // kata-sysext writes one drop-in, and this is its folder.
  const folder = wiring?.marks.map(({ path }) => posix.dirname(path))[0];
  return {
    configPath: flag('--?c|--?config') ?? variable('CONTAINER_CONFIG') ?? wiring?.configPath ?? usualConfig,
    configFolder: flag('--?d|--?config-dir') ?? variable('CONTAINER_CONFIG_DIR') ?? folder ?? usualFolder,
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
