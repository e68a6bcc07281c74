import { type Finding, KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { findSetting, type Profile, profileNamed, requireFit, resolveSettings, rowsFor } from '../../layout/settings/index.ts';
import type { Choices, GenerationHandler, Setting } from '../../store/index.ts';
import { fragmentFindings } from './fragments.ts';
import { profileNeed } from './profileNeeds.ts';
import type { SettingsRequest } from './types.ts';

/** What the settings of a handler depend on. */
export type Configurable = Pick<GenerationHandler, 'name' | 'family' | 'hypervisor' | 'configuration'>;

/** The requested settings and profiles, and the handlers that get them. */
export interface Wished {
  handlers: Configurable[];
  wishes: SettingsRequest;
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
export async function withSettings(earlier: Choices, { handlers, wishes, readText }: Wished): Promise<Choices> {
  if (!hasSettings(wishes)) return earlier;
  const chosen = wishes.profiles?.map(profileNamed);
  let settings = { ...earlier.settings };
  const profiles = { ...earlier.profiles };
  if (wishes.unset.length > 0) settings = withoutSettings(settings, handlers, wishes.unset);
  for (const handler of handlers) {
    const text = await readText(handler.configuration);
    const own = { ...settings[handler.name], ...Object.fromEntries(resolveSettings(text, wishes.set, handler)) };
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
export async function choiceFindings(host: HostView, earlier: Choices, now: Choices, { handlers, wishes }: Wished): Promise<Finding[]> {
  if (!hasSettings(wishes)) return [];
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
  const ours = set.length === 0 ? 'nothing is set' : `set are ${set.join(', ')}`;
  return new KataError('setting-not-set', {
    subject: name,
    found: `${name} is not set for ${handlers.map((handler) => handler.name).join(', ')}; ${ours}`,
    needed: 'a key that was set with --set; what a profile sets goes with the profile',
    next: 'kata-sysext configure',
  });
}

function withoutEmpty<T extends string[] | Record<string, Setting>>(table: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => Object.keys(value).length > 0));
}
