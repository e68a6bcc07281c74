import { KataError } from '../../errors/index.ts';
import { digestOf, type HostPath, type HostView } from '../../host/index.ts';
import { restartDeadlineMs } from '../../steps/units.ts';
import { etcFolder, type GenerationManifest } from '../../store/index.ts';
import { dropMade, makeMissing } from '../pointer.ts';
import type { Step } from '../stepKinds.ts';
import { overlaidPayload } from './mount.ts';
import {
  isOurLayer,
  isOurUnit,
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

/** The unit, what starts it at boot, and the mount of a generation's payload. */
export async function showSteps(host: HostView, to: GenerationManifest, written: boolean): Promise<Step[]> {
  const target = await layerOf(host, to);
  const enabled = await targetOf(host, wantsLink);
  const enable = enabled === wantsTarget ? [] : [...(await makeMissing(host, wantsFolder)), wantsStep(enabled, wantsTarget)];
  return [...(await unitSteps(host, unitText())), ...enable, ...(await mountSteps(host, target, written))];
}

/** The mount goes first, as long as its unit is there to take it away. */
export async function hideSteps(host: HostView): Promise<Step[]> {
  const mounted = await mountSteps(host, 'absent', false);
  // If the unit was removed by hand, it is written once more: PID 1 unmounts through it.
  const lost = mounted.length > 0 && host.live && (await host.readText(unitFile)) === undefined;
  const enabled = (await targetOf(host, wantsLink)) === wantsTarget;
  return [
    ...(lost ? await unitSteps(host, unitText()) : []),
    ...mounted,
    ...(enabled ? [wantsStep(wantsTarget, 'absent'), ...(await dropMade(host, wantsFolder))] : []),
    ...(lost ? [unitStep(unitText(), 'absent')] : await unitSteps(host, 'absent')),
  ];
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

async function unitSteps(host: HostView, after: string | 'absent'): Promise<Step[]> {
  const now = await host.readText(unitFile);
  if (now === after || (now === undefined && after === 'absent')) return [];
  if (now !== undefined && !isOurUnit(now)) throw unitTaken(`${unitFile} was not made by kata-sysext`);
  return after === 'absent'
    ? [unitStep(now, after), ...(await dropMade(host, unitFolder))]
    : [...(await makeMissing(host, unitFolder)), unitStep(now, after)];
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
    temporary: `${etcFolder}/.new-${service}`,
  };
}

function wantsStep(before: string | 'absent', after: string | 'absent'): Step {
  return { kind: 'pointer', path: wantsLink, before, after, temporary: `${etcFolder}/.new-wants` };
}

async function targetOf(host: HostView, path: HostPath): Promise<string | 'absent'> {
  if ((await host.lstat(path)) === undefined) return 'absent';
  return (await host.readlink(path)) ?? 'not a link';
}

async function ourLink(host: HostView): Promise<string | 'absent'> {
  const target = await targetOf(host, link);
  if (target === 'absent' || isOurLayer(target)) return target;
  throw new KataError('foreign-file', {
    subject: link,
    found: `${link} is not a link to a payload of kata-sysext`,
    needed: `${link} absent, or a link to a payload of kata-sysext`,
    next: `move it away: mv ${link} ${link}.old`,
  });
}

function unitTaken(found: string): KataError {
  return new KataError('overlay-unit-taken', {
    subject: service,
    found,
    needed: `only kata-sysext’s own ${service}`,
    next: `look at it: systemctl cat ${service}; or use backend prefix: --backend prefix`,
  });
}
