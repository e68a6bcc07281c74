import { KataError, pathWord } from '../../errors/index.ts';
import { digestOf, type HostPath, type HostView } from '../../host/index.ts';
import { linkAt } from '../../steps/linkAt.ts';
import { restartDeadlineMs } from '../../steps/units.ts';
import type { GenerationManifest } from '../../store/index.ts';
import { ownUnitState } from '../ownUnit.ts';
import { dropMade, makeMissing } from '../pointer.ts';
import type { Step } from '../stepKinds.ts';
import { overlaidPayload } from './mount.ts';
import {
  isOurLayer,
  isOurUnit,
  isOurWants,
  layerOf,
  link,
  service,
  unitFile,
  unitFolder,
  unitText,
  wantsFolder,
  wantsLink,
  wantsTarget,
} from './paths.ts';

/** On the file system of the unit and its link. systemd takes no file of such a name for a unit. */
const temporary: HostPath = `${unitFolder}/.new-${service}.tmp`;

/** The unit, what starts it at boot, and the mount of a generation's payload. */
export async function showSteps(host: HostView, to: GenerationManifest, written: boolean): Promise<Step[]> {
  const target = await layerOf(host, to);
  const taken = await wantsTaken(host);
  if (taken !== undefined) throw taken;
  const enabled = (await linkAt(host, wantsLink)) !== 'absent';
  const enable = enabled ? [] : [...(await makeMissing(host, wantsFolder)), wantsStep('absent', wantsTarget)];
  return [...(await placeUnit(host)), ...enable, ...(await mountSteps(host, target, written))];
}

/** The mount goes first, as long as its unit is there to take it away. */
export async function hideSteps(host: HostView): Promise<Step[]> {
  const mounted = await mountSteps(host, 'absent', false);
  // If the unit was removed by hand, it is written once more: PID 1 unmounts through it.
  const needed = mounted.length > 0 && host.live;
  const lost = needed && (await host.readText(unitFile)) === undefined;
  if (needed) await refuseMasked(host);
  const enabled = await linkAt(host, wantsLink);
  return [
    ...(lost ? await placeUnit(host) : []),
    ...mounted,
    ...(enabled !== undefined && isOurWants(enabled) ? [wantsStep(enabled, 'absent'), ...(await dropMade(host, wantsFolder))] : []),
    ...(lost ? [unitStep(unitText(), 'absent')] : await removeUnit(host)),
  ];
}

/** Something else than a link to the unit is where systemd looks for what to start at boot. */
export async function wantsTaken(host: HostView): Promise<KataError | undefined> {
  const target = await linkAt(host, wantsLink);
  if (target === 'absent' || isOurWants(target)) return undefined;
  return new KataError('foreign-file', {
    subject: wantsLink,
    found: `${wantsLink} is ${target === undefined ? 'no link' : `a link to ${target}`}, and kata-sysext did not make it`,
    needed: `nothing there, or a link to ${unitFile}, which starts it at boot`,
    next: `move it away: mv ${pathWord(host, wantsLink)} ${pathWord(host, `${wantsLink}.old`)}; then run the command again`,
  });
}

/** PID 1 unmounts through the unit, and does not know the commands of one that is masked. */
async function refuseMasked(host: HostView): Promise<void> {
  if ((await host.readlink(unitFile)) !== '/dev/null' || (await overlaidPayload(host)) === 'absent') return;
  throw new KataError('overlay-unit-taken', {
    subject: service,
    found: `${service} is masked (${unitFile} points at /dev/null), and kata-sysext’s overlay is mounted on /usr`,
    needed: 'a unit through which systemd unmounts it',
    next: `systemctl unmask ${service}; then run the command again`,
  });
}

async function mountSteps(host: HostView, after: HostPath | 'absent', written: boolean): Promise<Step[]> {
  const before = await ourLink(host);
  // Nothing runs in an offline tree: its first boot mounts.
  if (!host.live) return before === after ? [] : [{ kind: 'pointer', path: link, before, after }];
  const shown = await overlaidPayload(host);
  const there = after === 'absent' ? shown === 'absent' : after.includes(`/${shown.replace('sha256:', '')}/`);
  if (before === after && there && !written) return [];
  const unit = await (await host.systemd())?.unit(service);
  const deadlineMs = unit === undefined ? 0 : restartDeadlineMs(unit);
  return [{ kind: 'mount', unit: service, path: link, before, after, shown, again: written && shown !== 'absent', deadlineMs }];
}

async function placeUnit(host: HostView): Promise<Step[]> {
  const state = await ownUnitState(host, unitFile, isOurUnit);
  if (state === 'foreign') throw unitTaken(host);
  const now = await host.readText(unitFile);
  return now === unitText() ? [] : [...(await makeMissing(host, unitFolder)), unitStep(now, unitText())];
}

/** What others made of it stays, and starts at no boot without the link. */
async function removeUnit(host: HostView): Promise<Step[]> {
  if ((await ownUnitState(host, unitFile, isOurUnit)) !== 'own') return [];
  return [unitStep(await host.readText(unitFile), 'absent'), ...(await dropMade(host, unitFolder))];
}

function unitStep(before: string | undefined, after: string | 'absent'): Step {
  return {
    kind: 'file',
    path: unitFile,
    before: before === undefined ? 'absent' : digestOf(before),
    after: after === 'absent' ? 'absent' : digestOf(after),
    text: after === 'absent' ? undefined : after,
    foreign: false,
    ours: [],
    temporary,
  };
}

function wantsStep(before: string | 'absent', after: string | 'absent'): Step {
  return { kind: 'pointer', path: wantsLink, before, after, temporary };
}

async function ourLink(host: HostView): Promise<string | 'absent'> {
  const target = await linkAt(host, link);
  if (target === 'absent' || (target !== undefined && isOurLayer(target))) return target;
  throw new KataError('foreign-file', {
    subject: link,
    found: `${link} is not a link to a payload of kata-sysext`,
    needed: `${link} absent, or a link to a payload of kata-sysext`,
    next: `move it away: mv ${pathWord(host, link)} ${pathWord(host, `${link}.old`)}`,
  });
}

function unitTaken(host: HostView): KataError {
  return new KataError('overlay-unit-taken', {
    subject: service,
    found: `${unitFile} was not made by kata-sysext`,
    needed: `only kata-sysext’s own ${service}`,
    next: `look at it: cat ${pathWord(host, unitFile)}; or use backend prefix: --backend prefix`,
  });
}
