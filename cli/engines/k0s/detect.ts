import { posix } from 'node:path';
import { childOf, flagOf, pathOf, readDaemon } from '../../facts/processes.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit, UnitState } from '../../systemd/types.ts';
import { firstThere, startOfUnit, unitFile } from '../common/unitFiles.ts';
import { wordsOf } from '../common/unitWords.ts';
import { unsupported } from '../common/unsupported.ts';
import type { Instance, Wiring } from '../types.ts';
import { dropIns, external, facts, usualConfig, usualDataDir, usualSocket } from './facts.ts';
import { written } from './managed.ts';
import { schemaOf, versionOfK0s } from './version.ts';

const usualUnit = facts.units[0]!;
const programPlaces = ['/usr/local/bin/k0s', '/usr/bin/k0s', '/opt/bin/k0s'];
/** The base name of what k0s unpacks and runs. */
const child = 'containerd';

/** See `Engine.detect`: a k0s that runs pods, else an installed one. */
export async function detectK0s(host: HostView, hint?: string): Promise<Instance[]> {
  const running = await detectRunning(host);
  if (running.length > 0) return running;
  for (const unit of facts.units) {
    const start = (await unitFile(host, unit)) === undefined ? undefined : await startOfUnit(host, unit);
    if (start === undefined || !runsPods(start)) continue;
    return [await fromFiles(host, unit, hint)];
  }
  if (hint === undefined || host.booted) return [];
  // One that is named: a tree whose unit an installer has yet to write, or whose unit runs no pods, which a plan refuses.
  return [await fromFiles(host, (await firstUnit(host)) ?? usualUnit, hint)];
}

async function firstUnit(host: HostView): Promise<Unit | undefined> {
  for (const unit of facts.units) if ((await unitFile(host, unit)) !== undefined) return unit;
  return undefined;
}

/** Throws engine-unsupported for a k0s that, by the command of its unit, runs no pods or has them run by another engine. */
export async function refuseWithoutPods(host: HostView, { unit = usualUnit, process }: Instance): Promise<void> {
  const start = process === undefined && (await unitFile(host, unit)) !== undefined ? await startOfUnit(host, unit) : undefined;
  if (start === undefined || runsPods(start)) return;
  if (external.test(start))
    throw unsupported(
      unit,
      `${unit} starts k0s with --cri-socket: k0s starts no containerd, and its pods run in the engine of that socket.`,
      'The engine that runs the pods.',
      'Name that engine: --engine containerd@VERSION, or --engine crio@VERSION',
    );
  throw unsupported(
    unit,
    `${unit} starts k0s as a controller without a worker, which runs no pods.`,
    `A worker: the unit ${usualUnit}, or --enable-worker or --single in the command of ${unit}.`,
    `Install on the hosts of workers. If this one is to run pods, add --enable-worker to ExecStart= of ${unit} first.`,
  );
}

/** See `Engine.findRecorded`. A wiring without a unit was made for the usual one. */
export async function findRecordedK0s(host: HostView, wiring: Wiring): Promise<Instance | undefined> {
  const unit = wiring.unit ?? usualUnit;
  const state = await (await host.systemd())?.unit(unit);
  const running = state === undefined ? undefined : await instanceOf(host, unit, state);
  if (running !== undefined) return running;
  const start = (await unitFile(host, unit)) === undefined ? undefined : await startOfUnit(host, unit);
  // The first boot of a tree brings what the tree itself lacks.
  if (start === undefined) return host.booted || wiring.unit !== undefined ? undefined : fromFiles(host, unit);
  if (external.test(start) || (host.booted && (await firstThere(host, [programOf(start) ?? programPlaces[0]!])) === undefined))
    return undefined;
  return fromFiles(host, unit);
}

async function detectRunning(host: HostView): Promise<Instance[]> {
  const systemd = await host.systemd();
  if (systemd === undefined) return [];
  const others = (await systemd.activeUnits('*.service')).filter((unit) => facts.renders?.otherUnits?.test(unit) === true);
  const found: Instance[] = [];
  for (const unit of new Set([...facts.units, ...others])) {
    const instance = await instanceOf(host, unit, await systemd.unit(unit));
    if (instance !== undefined) found.push(instance);
  }
  return found;
}

/** From the main process of a unit and its containerd; undefined where that is another program, or no containerd of its own runs. */
async function instanceOf(host: HostView, unit: Unit, { mainPid }: UnitState): Promise<Instance | undefined> {
  const main = mainPid > 0 ? await readDaemon(host, mainPid) : undefined;
  if (main === undefined || posix.basename(main.binary) !== facts.programs[0]) return undefined;
  if (flagOf(main.args, ['cri-socket']) !== undefined) return undefined;
  const own = await childOf(host, mainPid, child);
  if (own === undefined) return undefined;
  const [config, address] = [flagOf(own.args, ['c', 'config']), flagOf(own.args, ['a', 'address'])];
  // The program that runs, also where another one has been put in its place since.
  const version = await versionOfK0s(host, `/proc/${mainPid}/exe`);
  const { pid, startedMs, binaryReplaced } = own;
  return instanceWith(own.binary, {
    version,
    unit,
    program: programOf((await startOfUnit(host, unit)) ?? '') ?? main.binary,
    configPath: config === undefined ? usualConfig : pathOf(own, config),
    socket: address === undefined ? usualSocket : pathOf(own, address),
    process: { pid, startedMs, binaryReplaced },
  });
}

/** From the files of a host on which it does not run. The binary is where k0s unpacks it, and may not be there yet. */
async function fromFiles(host: HostView, unit: Unit, hint?: string): Promise<Instance> {
  const start = (await startOfUnit(host, unit)) ?? '';
  const program = programOf(start) ?? (await firstThere(host, programPlaces)) ?? programPlaces[0]!;
  const named = flagOf(wordsIn(start), ['data-dir']);
  const dataDir = named?.startsWith('/') === true ? named : usualDataDir;
  // While the host boots, its programs are the ones that will run. No program of a foreign tree is run.
  const version = (host.booted ? await versionOfK0s(host, program) : undefined) ?? hint;
  return instanceWith(posix.join(dataDir, 'bin', child), {
    version: version === '' ? undefined : version,
    unit,
    program,
    configPath: usualConfig,
    socket: usualSocket,
  });
}

type Known = Pick<Instance, 'configPath' | 'socket' | 'unit' | 'process'> & { version: string | undefined; program: HostPath };

function instanceWith(binary: HostPath, { version, program, configPath, ...known }: Known): Instance {
  return {
    engine: facts.name,
    version,
    binary,
    configPath,
    configFolder: dropIns,
    ...known,
    effect: { by: 'itself', program: binary, watches: dropIns },
    renderer: { title: facts.title, ...written(schemaOf(version), configPath), program },
  };
}

/** The program that a unit starts, as its command names it; undefined where that is a script. */
function programOf(start: string): HostPath | undefined {
  return wordsIn(start)
    .map(asProgram)
    .find((path) => path !== undefined);
}

/** The words of a command; those of a shell's script are split at its quotes. */
function wordsIn(start: string): string[] {
  const words = wordsOf(start).map(({ value }) => value);
  return words.some((word) => asProgram(word) !== undefined) ? words : start.split(/[\s"';]+/);
}

/** The path of k0s in a word, which may have prefixes of systemd.service(5). */
function asProgram(word: string): HostPath | undefined {
  const path = word.replace(/^[-@:+!|]+/, '');
  return path.startsWith('/') && posix.basename(path) === facts.programs[0] ? path : undefined;
}

/** A controller without a worker runs no pods, and has no containerd. */
function runsPods(start: string): boolean {
  const controller = wordsIn(start).includes('controller') && !['enable-worker', 'single'].some((name) => isOn(start, name));
  return !controller && !external.test(start);
}

/**
 * A switch of k0s, whose last place in the command counts. Its value follows an equals sign: in `--enable-worker false` the second word is the
 * token of another controller.
 */
function isOn(start: string, name: string): boolean {
  const last = [...start.matchAll(new RegExp(`[\\s"']--${name}(?:=["']?(?<value>[^\\s"']*))?(?=[\\s"']|$)`, 'g'))].at(-1);
  return last !== undefined && !/^(?:0|f|false)$/i.test(last.groups?.['value'] ?? '');
}
