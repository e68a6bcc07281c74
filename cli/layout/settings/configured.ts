import { KataError } from '../../errors/index.ts';
import type { Setting } from '../types.ts';
import { applySettings, misfits } from './apply.ts';
import { type ProfileOwner, profileNamed, profileSettings } from './profiles.ts';

/** What was chosen for one handler. */
export interface Chosen {
  profiles: string[];
  /** Path of a key → setting. They win over profiles. */
  settings: Record<string, Setting>;
}

/**
 * The handler's configuration with what was chosen for it. Throws `bundle-lacks-setting`, naming every key that this release cannot
 * take and the command that removes it; `profile-unknown`; `bundle-configuration`.
 */
export function configured(text: string, owner: ProfileOwner, { profiles, settings }: Chosen): string {
  const wanted = wantedSettings(owner, { profiles, settings });
  if (wanted.size === 0) return text;
  const name = `the configuration of ${owner.name}`;
  const wrong = misfits(text, wanted, name);
  if (wrong.length > 0) throw lacks(wrong, owner, { profiles, settings });
  return applySettings(text, wanted, name);
}

/** What profiles and settings come to: path → value. Throws `profile-unknown`. */
export function wantedSettings(owner: ProfileOwner, { profiles, settings }: Chosen): Map<string, Setting> {
  const ofProfiles = profiles.flatMap((name) => [...profileSettings(profileNamed(name), owner)]);
  return new Map([...ofProfiles, ...Object.entries(settings)]);
}

function lacks(wrong: { path: string; found: string }[], owner: ProfileOwner, { profiles, settings }: Chosen): KataError {
  const own = wrong.map(({ path }) => path).filter((path) => Object.hasOwn(settings, path));
  const others = wrong.map(({ path }) => path).filter((path) => !own.includes(path));
  const fitting = profiles.filter((name) => ![...profileSettings(profileNamed(name), owner).keys()].some((path) => others.includes(path)));
  const kept = fitting.length === 0 ? ['none'] : fitting;
  const flags = [
    ...own.map((path) => `--unset ${path}`),
    ...(others.length === 0 ? [] : kept.map((name) => `--profile ${name}`)),
    `--handler ${owner.name}`,
  ];
  return new KataError('bundle-lacks-setting', {
    subject: owner.name,
    found: `what is set for ${owner.name} does not fit this release: its configuration ${wrong.map(({ found }) => found).join('; it ')}`,
    needed: `a release that has ${wrong.map(({ path }) => path).join(', ')} as it was set`,
    next: `remove it first: kata-sysext configure ${flags.join(' ')}`,
    details: { keys: wrong.map(({ path }) => path) },
  });
}
