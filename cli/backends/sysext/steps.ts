import { posix } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { type Extension, findExtensions, mergedExtensions, renameScopes, systemdVersion } from '../../facts/index.ts';
import type { Digest, HostPath, HostView } from '../../host/index.ts';
import { linkAt } from '../../steps/linkAt.ts';
import { restartDeadlineMs } from '../../steps/units.ts';
import { etcFolder, extensionName, type GenerationManifest } from '../../store/index.ts';
import { mergedPayload, mountsBelowUsr } from '../belowUsr.ts';
import { dropMade, makeMissing } from '../pointer.ts';
import type { Step } from '../stepKinds.ts';
import {
  extensionOf,
  extensionsFolder,
  isEnabled,
  isOurs,
  links,
  moveAway,
  service,
  wantsFolder,
  wantsLink,
  wantsTarget,
} from './paths.ts';
import { othersIn, pendingNames } from './refresh.ts';

/** Enables the extension of a generation and has it merged. */
export async function showSteps(host: HostView, to: GenerationManifest, written: boolean): Promise<Step[]> {
  const { path, target } = await extensionOf(host, to);
  const enable = (await isEnabled(host)) ? [] : [...(await makeMissing(host, wantsFolder)), linkStep(wantsLink, 'absent', wantsTarget)];
  const before = await ourTarget(host, path);
  if (before !== target) await refuseOwnMount(host);
  const turn = before === target ? [] : [...(await makeMissing(host, extensionsFolder)), linkStep(path, before, target)];
  // The new link first: while both are there systemd takes either, and each is a whole one.
  const drop = (await ourLinks(host)).filter((each) => each.path !== path).map((each) => linkStep(each.path, each.target, 'absent'));
  return [...enable, ...turn, ...drop, ...(await refreshSteps(host, to.payload, { stop: false, written }))];
}

/** Removes kata-sysext's links. The refresh comes after all other steps: see `refreshSteps`. */
export async function hideSteps(host: HostView): Promise<{ links: Step[]; merge: Step[] }> {
  const ours = await ourLinks(host);
  const ourWish = (await host.readlink(wantsLink)) === wantsTarget;
  // A program that added an extension meanwhile may rely on the service that kata-sysext enabled.
  const disable = ourWish && (await others(host)).length === 0;
  return {
    links: [
      ...ours.map(({ path, target }) => linkStep(path, target, 'absent')),
      ...(ours.length === 0 ? [] : await dropMade(host, extensionsFolder)),
      ...(disable ? [linkStep(wantsLink, wantsTarget, 'absent'), ...(await dropMade(host, wantsFolder))] : []),
    ],
    merge: await refreshSteps(host, 'absent', { stop: disable, written: false }),
  };
}

/** Made elsewhere and renamed: systemd reads everything in these folders, half-made links too. It takes no unit of such a name. */
function linkStep(path: HostPath, before: string | 'absent', after: string | 'absent'): Step {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const temporary = path === wantsLink ? `${posix.dirname(wantsFolder)}/.new-${name}.tmp` : `${etcFolder}/.new-${name}`;
  return { kind: 'pointer', path, before, after, temporary };
}

/** A link is made elsewhere on the same mount, or not at all. */
async function refuseOwnMount(host: HostView): Promise<void> {
  const [made, read] = await renameScopes(host, [etcFolder, extensionsFolder]);
  if (made === read) return;
  throw new KataError('backend-unfit', {
    subject: extensionsFolder,
    found: `${extensionsFolder} and ${etcFolder} are on different mounts, so that no link can be moved between them`,
    needed: `both on one mount: systemd-sysext reads all that is in ${extensionsFolder}, half-made links too`,
    next: 'use backend prefix: --backend prefix',
  });
}

async function ourTarget(host: HostView, path: HostPath): Promise<string | 'absent'> {
  const target = await linkAt(host, path);
  if (target === 'absent' || (target !== undefined && isOurs(target))) return target;
  throw new KataError('sysext-name-taken', {
    subject: path,
    found: `${path} was not made by kata-sysext`,
    needed: `${path} absent, or a link to a payload of kata-sysext`,
    next: `move it away: ${moveAway(host, path)}`,
  });
}

async function ourLinks(host: HostView): Promise<{ path: HostPath; target: string }[]> {
  const all = await Promise.all(links.map(async (path) => ({ path, target: await ourTarget(host, path) })));
  return all.filter(({ target }) => target !== 'absent');
}

/** Extensions of others, masked ones as well. */
async function others(host: HostView): Promise<Extension[]> {
  const systemd = await systemdVersion(host);
  return (await findExtensions(host, systemd.known ? systemd.value : 0)).filter(({ name }) => name !== extensionName);
}

/** Nothing runs in an offline tree: its first boot merges. */
async function refreshSteps(
  host: HostView,
  after: Digest | 'absent',
  { stop, written }: { stop: boolean; written: boolean },
): Promise<Step[]> {
  if (!host.live) return [];
  const systemd = await systemdVersion(host);
  const merged = await mergedExtensions(host);
  const listed = merged.some(({ hierarchy, names }) => hierarchy === '/usr' && names.includes(extensionName));
  // A payload that backend overlay mounts there is not a merged extension.
  const before = listed ? await mergedPayload(host) : 'absent';
  // A payload that is repaired comes in a folder of its own, which what is merged does not show.
  if (before === after && listed === (after !== 'absent') && !written) return [];
  const unit = await (await host.systemd())?.unit(service);
  const version = systemd.known ? systemd.value : 0;
  return [
    {
      kind: 'refresh',
      unit: service,
      systemd: version,
      before,
      after,
      others: othersIn(merged),
      pending: await pendingNames(host, version, merged),
      mounts: await mountsBelowUsr(host),
      wasActive: unit?.activeState === 'active',
      stop,
      deadlineMs: unit === undefined ? 0 : restartDeadlineMs(unit),
    },
  ];
}
