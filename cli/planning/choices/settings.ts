import { isTable, parseDocument, valueAt } from '../../documents/toml/index.ts';
import { type Finding, KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import {
  findSetting,
  type Profile,
  profileNamed,
  requireFit,
  resolveSettings,
  rowsFor,
  wantedSettings,
} from '../../layout/settings/index.ts';
import { type Choices, fragmentsFolder, type GenerationHandler, type Setting } from '../../store/index.ts';
import { profileNeed } from './profileNeeds.ts';
import type { SettingsRequest } from './types.ts';

/** What the settings of a handler depend on. */
export type Configurable = Pick<GenerationHandler, 'name' | 'family' | 'hypervisor' | 'configuration'>;

/** The requested settings and profiles, and the handlers that get them. */
export interface RequestedSettings {
  handlers: Configurable[];
  requested: SettingsRequest;
  /** Text of a file of the payload, where it is now. */
  readText(path: string): Promise<string>;
}

export const noSettings: SettingsRequest = { set: [], unset: [], profiles: undefined };

/** Whether the command line says anything about configuration. */
export function hasSettings({ set, unset, profiles }: SettingsRequest): boolean {
  return set.length > 0 || unset.length > 0 || profiles !== undefined;
}

/**
 * The earlier choices with the requested settings and profiles added, checked against the handlers' own configuration.
 * Throws the codes of `resolveSettings`, `setting-not-set`, `profile-unknown`, `profile-unfit`.
 */
export async function withSettings(earlier: Choices, { handlers, requested, readText }: RequestedSettings): Promise<Choices> {
  if (!hasSettings(requested)) return earlier;
  const chosen = requested.profiles?.map(profileNamed);
  let settings = { ...earlier.settings };
  const profiles = { ...earlier.profiles };
  if (requested.unset.length > 0) settings = withoutSettings(settings, handlers, requested.unset);
  for (const handler of handlers) {
    const text = await readText(handler.configuration);
    const own = { ...settings[handler.name], ...Object.fromEntries(resolveSettings(text, requested.set, handler)) };
    for (const profile of chosen ?? []) requireFit(profile, text, handler);
    settings[handler.name] = own;
    if (chosen !== undefined) profiles[handler.name] = chosen.map(({ name }) => name);
  }
  return { ...earlier, settings: withoutEmpty(settings), profiles: withoutEmpty(profiles) };
}

/**
 * What prevents the choices on this host from having an effect: unmet needs of newly chosen profiles (earlier profiles were checked when they
 * were chosen), and the administrator's fragments that override requested settings.
 */
export async function choiceFindings(
  host: HostView,
  earlier: Choices,
  now: Choices,
  { handlers, requested }: RequestedSettings,
): Promise<Finding[]> {
  if (!hasSettings(requested)) return [];
  const needs = new Map<string, string>();
  for (const handler of handlers) {
    const fresh = (now.profiles[handler.name] ?? []).filter((name) => !earlier.profiles[handler.name]?.includes(name));
    for (const name of fresh) for (const need of needsOf(profileNamed(name), handler)) needs.set(need, name);
  }
  const found: Finding[] = [];
  for (const [need, profile] of needs) found.push(...(await profileNeed(host, need, profile)));
  return [...found, ...(await fragmentFindings(host, now, handlers))];
}

function needsOf(profile: Profile, handler: Configurable): string[] {
  return rowsFor(profile, handler).flatMap((row) => row.needs ?? []);
}

type Settings = Choices['settings'];

/** Each name has to be set for one of the handlers at least: with several handlers, one command takes it from all that have it. */
function withoutSettings(settings: Settings, handlers: Configurable[], names: string[]): Settings {
  const left: Settings = { ...settings };
  for (const name of names) {
    let taken = false;
    for (const handler of handlers) {
      const own = left[handler.name] ?? {};
      const path = findSetting(name, Object.keys(own), handler);
      if (path === undefined) continue;
      taken = true;
      left[handler.name] = Object.fromEntries(Object.entries(own).filter(([each]) => each !== path));
    }
    if (!taken) throw notSet(name, settings, handlers);
  }
  return left;
}

function notSet(name: string, settings: Settings, handlers: Configurable[]): KataError {
  const set = handlers.flatMap((handler) => Object.keys(settings[handler.name] ?? {}).map((path) => `${path} (${handler.name})`));
  const known = set.length === 0 ? 'nothing is set' : `set are ${set.join(', ')}`;
  return new KataError('setting-not-set', {
    subject: name,
    found: `${name} is not set for ${handlers.map((handler) => handler.name).join(', ')}; ${known}`,
    needed: 'a key that was set with --set; what a profile sets goes with the profile',
    next: 'kata-sysext configure',
  });
}

function withoutEmpty<T extends string[] | Record<string, Setting>>(table: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => Object.keys(value).length > 0));
}

/**
 * Settings that have no effect because a fragment of the administrator has the same key: Kata reads fragments after the file of kata-sysext,
 * and the last one wins (docs/facts/kata.md#fragments). Values are not looked at, since a fragment may hold secrets.
 */
async function fragmentFindings(host: HostView, choices: Choices, handlers: Configurable[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const handler of handlers) {
    const chosen = { profiles: choices.profiles[handler.name] ?? [], settings: choices.settings[handler.name] ?? {} };
    const keys = [...wantedSettings(handler, chosen).keys()];
    const folder = `${fragmentsFolder}/${handler.name}.d`;
    for (const name of keys.length === 0 ? [] : await host.readdir(folder)) {
      const value = await readFragment(host, `${folder}/${name}`);
      const taken = keys.filter((key) => has(value, key.split('.')));
      if (taken.length > 0) found.push(overridden(`${folder}/${name}`, taken));
    }
  }
  return found;
}

/** undefined for what is no file or no TOML: that it keeps pods from starting is not this change's doing. */
async function readFragment(host: HostView, path: string): Promise<unknown> {
  if ((await host.stat(path))?.kind !== 'file') return undefined;
  try {
    return parseDocument((await host.readText(path, 'configuration')) ?? '', path).value;
  } catch {
    return undefined;
  }
}

function has(value: unknown, keys: string[]): boolean {
  const found = valueAt(value, keys);
  return found !== undefined && !isTable(found);
}

function overridden(path: string, keys: string[]): Finding {
  return {
    code: 'setting-overridden',
    level: 'warning',
    subject: path,
    found: `${path} sets ${keys.join(', ')} as well, and fragments win over settings and profiles`,
    needed: 'each key in one place',
    next: 'take the key out of the fragment, or the setting away with --unset',
  };
}
