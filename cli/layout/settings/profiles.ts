import { asset } from '../../assets/index.ts';
import { parseJson } from '../../documents/index.ts';
import { valueAt } from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import { nearest } from '../../errors/suggest.ts';
import type { Setting } from '../types.ts';
import { misfits } from './apply.ts';
import type { Owner } from './find.ts';
import { readConfiguration } from './keys.ts';

/** A row of overlays/profiles.json. */
export interface Profile {
  name: string;
  description: string;
  rows: ProfileRow[];
}

export interface ProfileRow {
  families: ('go' | 'rust')[];
  hypervisors: string[];
  /** The release's own value of this key must be one of these: a profile may make no sense for some handlers of a hypervisor. */
  requires?: { key: string; values: string[] };
  /** What the host must have: names of cli/planning/choices/profileNeeds.ts. */
  needs?: string[];
  /** `{hypervisor}` is replaced by the handler's. */
  settings: Record<string, Setting>;
}

/** A handler as far as profiles go. */
export interface ProfileOwner extends Owner {
  family: 'go' | 'rust';
}

export const profiles = (parseJson(asset('overlays/profiles.json')) as { profiles: Profile[] }).profiles;

/** Throws `profile-unknown` naming the nearest. */
export function profileNamed(name: string): Profile {
  const found = profiles.find((profile) => profile.name === name);
  if (found !== undefined) return found;
  const names = profiles.map((profile) => profile.name);
  const [close = ''] = nearest(name, names);
  throw new KataError('profile-unknown', {
    subject: name,
    found: `there is no profile ${JSON.stringify(name.slice(0, 80))}`,
    needed: `one of ${names.join(', ')}, or none to take all profiles away`,
    next: `name it as in: --profile ${close}`,
  });
}

/** The rows of a profile that are about this handler. */
export function rowsFor(profile: Profile, { family, hypervisor }: ProfileOwner): ProfileRow[] {
  return profile.rows.filter((row) => row.families.includes(family) && row.hypervisors.includes(hypervisor));
}

/** What a profile sets for this handler: path → setting; empty where it is not made for it. */
export function profileSettings(profile: Profile, owner: ProfileOwner): Map<string, Setting> {
  const entries = rowsFor(profile, owner).flatMap((row) => Object.entries(row.settings));
  return new Map(entries.map(([path, value]) => [named(path, owner), value]));
}

/** Throws `profile-unfit` where the profile is not made for this handler, or its configuration lacks what the profile sets. */
export function requireFit(profile: Profile, text: string, owner: ProfileOwner): void {
  const why = unfit(profile, text, owner);
  if (why === undefined) return;
  throw new KataError('profile-unfit', {
    subject: profile.name,
    found: `the profile ${profile.name} does not fit ${owner.name}: ${why}`,
    needed: 'a handler that the profile is made for',
    next: 'name the handlers that it fits with --handler; kata-sysext configure lists them',
  });
}

/** Why a profile cannot be used for a handler with this configuration; undefined when it can. */
export function unfit(profile: Profile, text: string, owner: ProfileOwner): string | undefined {
  const rows = rowsFor(profile, owner);
  if (rows.length === 0) return `it is not made for the ${owner.family === 'go' ? 'Go' : 'Rust'} shim with ${owner.hypervisor}`;
  const name = `the configuration of ${owner.name}`;
  const [wrong] = misfits(text, profileSettings(profile, owner), name);
  if (wrong !== undefined) return `its configuration ${wrong.found}`;
  for (const { requires } of rows) {
    if (requires === undefined) continue;
    const path = named(requires.key, owner);
    const value = valueAt(readConfiguration(text, name).value, path.split('.'));
    if (!requires.values.some((one) => one === value))
      return `its configuration has ${path} = ${value === undefined ? 'nothing' : JSON.stringify(value)}`;
  }
  return undefined;
}

function named(path: string, { hypervisor }: Owner): string {
  return path.replace('{hypervisor}', hypervisor);
}
