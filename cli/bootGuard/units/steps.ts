import { asset } from '../../assets/index.ts';
import { dropMade, makeMissing, ownUnitState } from '../../backends/index.ts';
import { allUnits, engineUnits, preparingUnits } from '../../engines/index.ts';
import { KataError, pathWord } from '../../errors/index.ts';
import { bootPulls } from '../../facts/index.ts';
import { digestOf, type HostPath, type HostView } from '../../host/index.ts';
import { linkAt } from '../../steps/linkAt.ts';
import type { Unit } from '../../systemd/types.ts';
import type { FileStep, Step } from '../../transaction/index.ts';
import { blessedFile, blessings, guardUnits, imageUnits, presetFile, presetFolder, presetTemporary, presetText } from './paths.ts';

export interface GuardRequest {
  /** The program that the units run. */
  program: HostPath;
  /** The units of the engines. */
  engines?: readonly Unit[];
}

/** The units of the boot guard as they are wanted (none: they go). Nothing is asked of PID 1: it reads them at the next boot. */
export async function guardSteps(host: HostView, request: GuardRequest | undefined): Promise<Step[]> {
  return request === undefined ? removal(host) : placing(host, request);
}

/** Whatever becomes active must prove itself at the next boot. */
export async function unblessSteps(host: HostView): Promise<Step[]> {
  const steps: Step[] = [];
  for (const { file, temporary } of blessings) {
    // The drop-ins of a confirmed generation are written outside of a transaction: their temporary files, which a loss of power leaves, go
    // as well.
    steps.push(...(await fileStep(host, temporary, 'absent', `${temporary}.old`)), ...(await fileStep(host, file, 'absent', temporary)));
  }
  return steps;
}

async function placing(host: HostView, request: GuardRequest): Promise<Step[]> {
  const steps: Step[] = [];
  for (const { unit, path, wants, link, target, temporary } of guardUnits(host)) {
    if (await isTheirs(host, path)) continue;
    steps.push(...(await makeMissing(host, wants)), ...(await fileStep(host, path, unitText(unit, request), temporary)));
    const before = await linkAt(host, link);
    if (before === 'absent') steps.push({ kind: 'pointer', path: link, before, after: target, temporary });
    else await refuseForeignLink(host, { unit, link, before });
  }
  if (host.booted || host.image || (await isTheirs(host, presetFile))) return steps;
  return [...steps, ...(await makeMissing(host, presetFolder)), ...(await fileStep(host, presetFile, presetText, presetTemporary))];
}

/**
 * systemd starts the unit that the link's name says (systemd.unit(5)), wherever systemctl and presets point it, and an administrator masks a
 * link with /dev/null. At a boot no administrator reads a refusal: it stays.
 */
async function refuseForeignLink(
  host: HostView,
  { unit, link, before }: { unit: Unit; link: HostPath; before: string | undefined },
): Promise<void> {
  if (before === '/dev/null' || before?.split('/').at(-1) === unit || (host.booted && !host.live)) return;
  throw new KataError('foreign-file', {
    subject: link,
    found: `${link} is ${before === undefined ? 'no link' : `a link to ${before}`}, and kata-sysext did not make it`,
    needed: `nothing there, or a link to ${unit}, which checks the installation at each boot`,
    next: `move it away: mv ${pathWord(host, link)} ${pathWord(host, `${link}.old`)}; then run the command again`,
  });
}

async function removal(host: HostView): Promise<Step[]> {
  const steps: Step[] = (await isOwn(host, presetFile)) ? await fileStep(host, presetFile, 'absent', presetTemporary) : [];
  for (const { path, link, target, temporary } of guardUnits(host).reverse()) {
    const before = await linkAt(host, link);
    // systemctl, and presets, make absolute ones.
    if (before === target || before === path) steps.push({ kind: 'pointer', path: link, before, after: 'absent', temporary });
    if (await isOwn(host, path)) steps.push(...(await fileStep(host, path, 'absent', temporary)));
  }
  // Another part of kata-sysext may use the folders by now.
  if (steps.length === 0) return [];
  const folders = new Set([...blessings.map(({ folder }) => folder), presetFolder, ...guardUnits(host).map(({ wants }) => wants)]);
  for (const folder of folders) steps.push(...(await dropMade(host, folder)));
  return steps;
}

/**
 * A link of the administrator's (to /dev/null: the unit is masked), or a file of that name which does not begin as kata-sysext's files do,
 * stays.
 */
async function isTheirs(host: HostView, path: HostPath): Promise<boolean> {
  return (await ownUnitState(host, path, isGuardText)) === 'foreign';
}

/** An edit of another program or user stays as well: only what kata-sysext wrote is removed. */
async function isOwn(host: HostView, path: HostPath): Promise<boolean> {
  return (await ownUnitState(host, path, isGuardText)) === 'own';
}

/** Whether kata-sysext, in this version or another one, made a file of the guard: its first line says so. */
export function isGuardText(text: string): boolean {
  return /^#.*kata-sysext/.test(text);
}

async function fileStep(host: HostView, path: HostPath, text: string | 'absent', temporary: HostPath): Promise<FileStep[]> {
  const before = (await host.digest(path)) ?? 'absent';
  const after = text === 'absent' ? 'absent' : digestOf(text);
  if (before === after) return [];
  return [{ kind: 'file', path, before, after, text: text === 'absent' ? undefined : text, foreign: false, ours: [], temporary }];
}

/**
 * Whether the third phase runs at a boot of this host, its own or that of its image: it is neither masked nor disabled, and the boot's
 * target starts it.
 */
export async function canBless(host: HostView): Promise<boolean> {
  const [own, image] = [guardUnits(host)[2]!, imageUnits()[2]!];
  const rules = (await host.lstat(own.path)) === undefined ? image : own;
  const wanted = [own.link, image.link].map((link) => host.lstat(link));
  const there = (await host.lstat(rules.path))?.kind === 'file' && (await Promise.all(wanted)).some((link) => link !== undefined);
  const masked = (await host.readlink(`/run/systemd/system/${own.unit}`)) === '/dev/null';
  return there && !masked && (await bootPulls(host, own.unit)) !== false;
}

/** The unit as it is installed. */
function unitText(unit: Unit, { program, engines = [] }: GuardRequest): string {
  const values: Record<string, string> = {
    program,
    engine: engines.join(' '),
    engines: engineUnits(),
    allEngines: allUnits(),
    prepared: preparingUnits(),
    blessed: blessedFile,
  };
  return asset(`units/${unit}`).replace(/\{\{(\w+)\}\} ?/g, (found, name: string) => {
    const value = values[name] ?? '';
    return value === '' ? '' : `${value}${found.endsWith(' ') ? ' ' : ''}`;
  });
}
