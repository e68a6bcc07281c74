import { posix } from 'node:path';
import { flagOf, pathOf, readDaemon } from '../../facts/processes.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit, UnitState } from '../../systemd/types.ts';
import { type Daemon, detectDaemon, findRecordedDaemon } from '../common/detect.ts';
import { environmentOf, expandVariables } from '../common/unitEnvironment.ts';
import { startOfUnit, unitTexts } from '../common/unitFiles.ts';
import { versionOf } from '../common/version.ts';
import type { Instance, Wiring } from '../types.ts';
import { facts, usualConfig, usualSocket } from './facts.ts';

const usualUnit = facts.units[0]!;
const program = facts.programs[0]!;

/** What the command line of a daemon says, whether it runs or its unit would start it. */
export interface Flags {
  args: readonly string[];
  /** Of a unit's text: with variables resolved where its files tell all of them. */
  from: 'process' | 'unit';
}

const daemon: Daemon = {
  program,
  usualUnit,
  otherUnits: /dockerd?\.service$/,
  binaryPlaces: ['/usr/bin/dockerd', '/usr/sbin/dockerd', '/usr/local/bin/dockerd', '/opt/bin/dockerd'],
  running: instanceOf,
  fromFiles: async (host, known, unit = usualUnit, wiring) => {
    const { args } = await flagsOfUnit(host, unit);
    return { ...known, ...(await placesOf(host, args, wiring?.configPath)) };
  },
  isConfigured: async (host) => (await host.stat(usualConfig)) !== undefined,
};

/** See `Engine.detect`. A daemon of a user of his own (rootless) is none of the host's units, so that it is not found. */
export function detectDocker(host: HostView, hint?: string): Promise<Instance[]> {
  return detectDaemon(host, hint, daemon);
}

/** See `Engine.findRecorded`. */
export function findRecordedDocker(host: HostView, wiring: Wiring): Promise<Instance | undefined> {
  return findRecordedDaemon(host, wiring, daemon);
}

/** The flags of the process, else of the unit's own text. */
export async function flagsOf(host: HostView, { process, unit = usualUnit }: Instance): Promise<Flags> {
  const running = process === undefined ? undefined : await readDaemon(host, process.pid);
  return running === undefined ? flagsOfUnit(host, unit) : { args: running.args, from: 'process' };
}

/** Every value of a flag that may be given several times. */
export function valuesOf(args: readonly string[], names: readonly string[]): string[] {
  return args.flatMap((arg, index) => {
    const [, name, value] = /^--?([^=]+)(?:=(.*))?$/su.exec(arg) ?? [];
    return name !== undefined && names.includes(name) ? [value ?? args[index + 1] ?? ''] : [];
  });
}

async function instanceOf(host: HostView, unit: Unit, state: UnitState): Promise<Instance | undefined> {
  const running = await readDaemon(host, state.mainPid);
  if (running === undefined || posix.basename(running.binary) !== program) return undefined;
  const version = await versionOf(host, running.binary);
  const config = flagOf(running.args, ['config-file']);
  const places = await placesOf(host, running.args);
  return {
    version,
    binary: running.binary,
    ...places,
    configPath: config === undefined ? places.configPath : pathOf(running, config),
    unit,
    process: { pid: running.pid, startedMs: running.startedMs, binaryReplaced: running.binaryReplaced },
  };
}

async function placesOf(
  host: HostView,
  args: readonly string[],
  recorded?: HostPath,
): Promise<Pick<Instance, 'engine' | 'configPath' | 'socket' | 'effect'>> {
  const named = flagOf(args, ['config-file']);
  const configPath = named?.startsWith('/') === true ? named : (recorded ?? usualConfig);
  return { engine: facts.name, configPath, socket: await socketOf(host, args), effect: { by: 'reload' } };
}

/** `-H unix:///PATH`; with `-H fd://` the one of docker.socket. */
async function socketOf(host: HostView, args: readonly string[]): Promise<HostPath> {
  const [named] = valuesOf(args, ['H', 'host']).flatMap((address) => /^unix:\/\/(\/.+)$/.exec(address)?.[1] ?? []);
  if (named !== undefined) return named;
  const text = (await unitTexts(host, 'docker.socket')).join('\n');
  const listens = [...text.matchAll(/^[ \t]*ListenStream=[ \t]*(.*)$/gm)].map(([, address]) => address!.trim());
  // An empty one clears those before it; specifiers are systemd's to resolve.
  const last = listens.slice(listens.lastIndexOf('') + 1).find((address) => /^\/[^%]+$/.test(address));
  return last ?? usualSocket;
}

async function flagsOfUnit(host: HostView, unit: Unit): Promise<Flags> {
  const written = (await startOfUnit(host, unit)) ?? '';
  const start = expandVariables(written, await environmentOf(host, unit, await unitTexts(host, unit))) ?? written;
  const words = start.split(/\s+/).map((word) => word.replace(/^(["'])(.*)\1$/, '$2'));
  return { args: words.slice(1), from: 'unit' };
}
