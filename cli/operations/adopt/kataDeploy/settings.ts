import { commandWord, type Finding, pathWord } from '../../../errors/index.ts';
import type { HostView } from '../../../host/index.ts';
import { installedName } from '../../../layout/index.ts';
import type { Deployed, UsersSettings } from './types.ts';

const lostCode = 'kata-deploy-settings';

/** What users set for kata-deploy, which goes with it: refused before, since no message can bring it back. Allowed, it is a note of what went. */
export function lostSettings(host: HostView, { settings }: Pick<Deployed, 'settings'>, allow: readonly string[]): Finding[] {
  const [first] = settings;
  if (first === undefined) return [];
  const paths = settings.map(({ path }) => path).join(', ');
  const found = `settings of users go with kata-deploy, and are not taken over: ${paths}`;
  const isAllowed = allow.includes(lostCode);
  const saved = [...new Set(settings.flatMap((each) => savingOf(host, each)))].join('; ');
  return [
    {
      code: lostCode,
      level: isAllowed ? 'warning' : 'blocker',
      subject: first.path,
      found,
      needed: 'a copy of them, if they are still wanted',
      next: isAllowed ? `nothing: --allow ${lostCode} was given` : `${saved}; then run the command again with --allow ${lostCode}`,
    },
  ];
}

/** Where kata-sysext's handlers read settings of users; those of an alias are those of its handler, so that a person has to choose. */
function savingOf(host: HostView, { path, handler }: UsersSettings): string[] {
  // Two files may have one name: the whole path tells them apart.
  const toRoot = `cp ${pathWord(host, path)} ${commandWord(`/root/${path.slice(1).replaceAll('/', '-')}`)}`;
  if (handler === undefined) return [toRoot];
  const name = installedName(handler.base);
  if (handler.name !== name) return [toRoot];
  const folder = pathWord(host, `/etc/kata-containers/${name}.d`);
  return [`mkdir -p ${folder}`, `cp ${pathWord(host, path)} ${folder}/`];
}
