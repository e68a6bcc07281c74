import type { Finding } from '../../errors/index.ts';
import type { Extension } from '../../facts/index.ts';
import { blocker, type Check, usePrefix } from './hostChecks.ts';
import { moveAway } from './paths.ts';
import type { Scene } from './scene.ts';

const ask = 'systemd-sysext list; systemd-sysext status';

/** What a refresh would do to extensions of others: it merges all that the search folders hold, not only the extension of kata-sysext. */
export const foreignChecks: Check[] = [restart, merged, opt, dormant, removed, broken, masked, nested];

function mergedNames(scene: Scene): string[] {
  return [...new Set(scene.merged.flatMap(({ names }) => names))];
}

/** Not merged, or changed since: what a refresh would bring in. */
function dormantOnes(scene: Scene): Extension[] {
  const names = new Set(mergedNames(scene));
  const since = Math.max(0, ...scene.merged.map(({ sinceMs }) => sinceMs));
  return scene.found.filter(
    ({ kind, name, modifiedMs }) => !['masked', 'broken'].includes(kind) && (!names.has(name) || modifiedMs > since),
  );
}

function list(names: string[]): string {
  return names.join(', ');
}

function restart(scene: Scene): Finding[] {
  const names = [...mergedNames(scene), ...dormantOnes(scene).map(({ name }) => name)];
  if (!scene.systemd.known || scene.systemd.value >= 254 || names.length === 0) return [];
  return blocker(
    'sysext-foreign-restart',
    list(names),
    `systemd ${scene.systemd.value} can only take all extensions away and merge them again, and others have ${list(names)}`,
    'no other extensions before systemd 254',
    usePrefix,
  );
}

function merged(scene: Scene): Finding[] {
  const names = mergedNames(scene);
  if (names.length === 0) return [];
  return blocker(
    'sysext-foreign-merged',
    list(names),
    `${list(names)} ${names.length === 1 ? 'is' : 'are'} merged by others: a refresh takes their files away for some milliseconds, and their programs fail if they start in that moment`,
    'no extension except kata-sysext’s',
    usePrefix,
  );
}

function opt(scene: Scene): Finding[] {
  const now = scene.merged.find(({ hierarchy }) => hierarchy === '/opt')?.names ?? [];
  const would = dormantOnes(scene)
    .filter((extension) => extension.opt)
    .map(({ name }) => name);
  if (now.length + would.length === 0) return [];
  const found =
    would.length > 0
      ? `${list(would)} would make all of /opt read-only once merged`
      : `${list(now)} ${now.length === 1 ? 'has' : 'have'} files below /opt: a refresh takes away and remakes /opt as well`;
  return blocker('sysext-foreign-opt', '/opt', found, 'no extension with files below /opt', ask);
}

function dormant(scene: Scene): Finding[] {
  const all = dormantOnes(scene);
  if (all.length === 0) return [];
  const one = all.length === 1;
  const would = all.some(({ kind }) => kind !== 'unknown') ? 'a refresh would do it' : 'a refresh may do it';
  const unknown = all.filter(({ kind }) => kind === 'unknown').map(({ path }) => path);
  const more = unknown.length === 0 ? '' : `; whether systemd can read ${list(unknown)} is not known, and one that it cannot read fails it`;
  return blocker(
    'sysext-foreign-dormant',
    list(all.map(({ name }) => name)),
    `${list(all.map(({ path }) => path))} ${one ? 'is' : 'are'} not merged as ${one ? 'it lies' : 'they lie'} there now: ${would}${more}`,
    'nothing of others that a refresh would bring in',
    `move what is not wanted out of the folder; or merge it first, at a time of your choice: systemctl reload systemd-sysext.service`,
  );
}

function removed(scene: Scene): Finding[] {
  const there = new Set(scene.found.filter(({ kind }) => kind !== 'masked').map(({ name }) => name));
  const names = mergedNames(scene).filter((name) => !there.has(name));
  if (names.length === 0) return [];
  return blocker(
    'sysext-foreign-removed',
    list(names),
    `${list(names)} ${names.length === 1 ? 'is' : 'are'} merged, but no longer enabled: a refresh would take the files away`,
    'extensions that are enabled as they are merged',
    ask,
  );
}

function broken(scene: Scene): Finding[] {
  const all = scene.found.filter(({ kind }) => kind === 'broken');
  return all.flatMap(({ path }) =>
    blocker(
      'sysext-foreign-broken',
      path,
      `${path} is no extension that systemd can read: with it there every refresh fails, and a restart of the service takes all extensions away`,
      'readable extensions only',
      `move it away: ${moveAway(scene.host, path)}`,
    ),
  );
}

function masked(scene: Scene): Finding[] {
  const names = scene.found.filter(({ kind }) => kind === 'masked').map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    {
      code: 'sysext-foreign-masked',
      level: 'info',
      subject: list(names),
      found: `${list(names)} ${names.length === 1 ? 'is' : 'are'} masked, and ${names.length === 1 ? 'stays' : 'stay'} so`,
      needed: 'nothing',
      next: 'nothing needs to be done',
    },
  ];
}

function nested(scene: Scene): Finding[] {
  if (scene.mounts.length === 0) return [];
  return blocker(
    'sysext-nested-mounts',
    list(scene.mounts),
    `${list(scene.mounts)} ${scene.mounts.length === 1 ? 'is' : 'are'} mounted below /usr: systemd before 257 hides such mounts at a refresh, 257 to 260 may lose them`,
    'no mount below /usr',
    usePrefix,
  );
}
