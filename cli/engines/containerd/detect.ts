import { posix } from 'node:path';
import { valueAt } from '../../documents/toml/index.ts';
import { flagOf, pathOf, readDaemon } from '../../facts/processes.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit, UnitState } from '../../systemd/types.ts';
import { type Daemon, detectDaemon, findRecordedDaemon } from '../common/detect.ts';
import { filesView } from '../common/filesView.ts';
import { versionOf } from '../common/version.ts';
import type { Instance, Wiring } from '../types.ts';
import { loadSet } from './loader.ts';
import { rootFile, sourcesOfRoot, unitDropIn } from './rootFile.ts';
import { configOfUnit } from './unitCommand.ts';

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
    // The wiring is made again where the unit has changed beside the drop-in; where an administrator removed that, it stays away.
    const rooted = wiring?.configPath === rootFile && (await host.lstat(unitDropIn(unit))) !== undefined;
    const configPath = rooted ? rootFile : ((await namedBy(host, unit)) ?? wiring?.configPath ?? usualConfig);
    return { engine, ...known, configPath, socket: await socketOf(host, configPath) };
  },
  isConfigured: async (host) => (await host.stat((await namedBy(host, usualUnit)) ?? usualConfig)) !== undefined,
};

/** See `Engine.detect`. */
export function detectContainerd(host: HostView, hint?: string): Promise<Instance[]> {
  return detectDaemon(host, hint, daemon);
}

/** See `Engine.findRecorded`. */
export async function findRecordedContainerd(host: HostView, wiring: Wiring): Promise<Instance | undefined> {
  const found = await findRecordedDaemon(host, wiring, daemon);
  return found === undefined || wiring.configPath !== rootFile ? found : { ...found, sources: await sourcesOfRoot(host, found, wiring) };
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
    version,
    binary: main.binary,
    configPath,
    socket: address === undefined ? await socketOf(host, configPath) : pathOf(main, address),
    unit,
    process: { pid: main.pid, startedMs: main.startedMs, binaryReplaced: main.binaryReplaced },
  };
}

/** Where the unit does not tell it, `planContainerd` refuses. */
async function namedBy(host: HostView, unit: Unit): Promise<HostPath | undefined> {
  const told = await configOfUnit(host, unit);
  return typeof told === 'string' ? undefined : told.config;
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
