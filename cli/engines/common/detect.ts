import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit, UnitState } from '../../systemd/types.ts';
import type { Instance, Wiring } from '../types.ts';
import { firstThere, startOfUnit, unitFile } from './unitFiles.ts';
import { versionOf } from './version.ts';

/** What differs between the daemons that are looked for. */
export interface Daemon {
  /** The base name of its binary. */
  program: string;
  usualUnit: Unit;
  /** Names of units that may run it as well. */
  otherUnits: RegExp;
  binaryPlaces: readonly HostPath[];
  /** From the main process of a unit; undefined when that is another program. */
  running(host: HostView, unit: Unit, state: UnitState): Promise<Instance | undefined>;
  /**
   * From the files of a host on which it does not run: from the texts of `unit` (default: the usual one). What they do not name is where
   * `wiring` has it, else where it usually is.
   */
  fromFiles(host: HostView, known: Pick<Instance, 'version' | 'binary' | 'unit'>, unit?: Unit, wiring?: Wiring): Promise<Instance>;
  /** Whether its configuration is there: an offline tree may have it without the program. */
  isConfigured(host: HostView): Promise<boolean>;
}

/** See `Engine.detect`: running daemons first, else an installed one, and in an offline tree whatever its files tell. */
export async function detectDaemon(host: HostView, hint: string | undefined, daemon: Daemon): Promise<Instance[]> {
  if (!host.live) return detectOffline(host, hint, daemon);
  const running = await detectRunning(host, daemon);
  return running.length > 0 ? running : detectStopped(host, hint, daemon);
}

async function detectRunning(host: HostView, { usualUnit, otherUnits, running }: Daemon): Promise<Instance[]> {
  const systemd = await host.systemd();
  if (!systemd) return [];
  const others = (await systemd.activeUnits('*.service')).filter((unit) => otherUnits.test(unit) && unit !== usualUnit);
  const found: Instance[] = [];
  for (const unit of [usualUnit, ...others]) {
    const state = await systemd.unit(unit);
    const known = found.some((instance) => instance.process?.pid === state.mainPid);
    const instance = state.mainPid > 0 && !known ? await running(host, unit, state) : undefined;
    if (instance) found.push(instance);
  }
  return found;
}

/** Installed but not running: the instance names its unit, so that the gate can report the unit's state. */
async function detectStopped(
  host: HostView,
  hint: string | undefined,
  { usualUnit, binaryPlaces, fromFiles }: Daemon,
): Promise<Instance[]> {
  const binary = await firstThere(host, binaryPlaces);
  if (binary === undefined) return [];
  const state = await (await host.systemd())?.unit(usualUnit);
  return [
    await fromFiles(host, known((await versionOf(host, binary)) ?? hint, binary, state?.loadState === 'loaded' ? usualUnit : undefined)),
  ];
}

/** See `Engine.findRecorded`. A wiring that was made in a tree without the engine names no unit: it was made for the usual one. */
export async function findRecordedDaemon(host: HostView, wiring: Wiring, daemon: Daemon): Promise<Instance | undefined> {
  const unit = wiring.unit ?? daemon.usualUnit;
  const state = await (await host.systemd())?.unit(unit);
  const running = state !== undefined && state.mainPid > 0 ? await daemon.running(host, unit, state) : undefined;
  if (running !== undefined) return running;
  const there = (await unitFile(host, unit)) !== undefined;
  const binary = there ? await startedBy(host, unit, wiring, daemon.program) : undefined;
  // The first boot of a tree brings what the tree itself lacks.
  const complete = host.booted ? binary !== undefined : there || wiring.unit === undefined;
  if (!complete) return undefined;
  const version = host.booted && binary !== undefined ? await versionOf(host, binary) : undefined;
  return daemon.fromFiles(host, known(version, binary, there ? unit : undefined), unit, wiring);
}

/** What the unit's command says; where that is a script, what ran when the wiring was made. */
async function startedBy(host: HostView, unit: Unit, wiring: Wiring, program: string): Promise<HostPath | undefined> {
  const words = ((await startOfUnit(host, unit)) ?? '').split(/[\s"';]+/).map((word) => word.replace(/^[-@:+!|]+/, ''));
  const named = words.find((word) => word.startsWith('/') && posix.basename(word) === program) ?? wiring.binary;
  return named === undefined ? undefined : firstThere(host, [named]);
}

/** No program of a foreign tree is run: its version is what the caller says, or unknown. */
async function detectOffline(host: HostView, hint: string | undefined, daemon: Daemon): Promise<Instance[]> {
  const binary = await firstThere(host, daemon.binaryPlaces);
  // While the host boots, its programs are the ones that will run.
  const version = hint ?? (host.booted && binary !== undefined ? await versionOf(host, binary) : undefined);
  if (binary === undefined && hint === undefined && !(await daemon.isConfigured(host))) return [];
  const unit = (await unitFile(host, daemon.usualUnit)) === undefined ? undefined : daemon.usualUnit;
  return [await daemon.fromFiles(host, known(version, binary, unit))];
}

function known(
  version: string | undefined,
  binary: HostPath | undefined,
  unit: Unit | undefined,
): Pick<Instance, 'version' | 'binary' | 'unit'> {
  return {
    version: version === '' ? undefined : version,
    binary,
    unit,
  };
}
