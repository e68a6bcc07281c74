import type { Choices, Setting } from '../store/index.ts';

/** The choices of one handler as answers show them. */
export interface Chosen {
  profiles: string[];
  /** Sorted by key. */
  settings: { key: string; value: Setting }[];
}

export function chosenFor(choices: Choices, handler: string): Chosen {
  const settings = Object.entries(choices.settings[handler] ?? {}).map(([key, value]) => ({ key, value }));
  return { profiles: choices.profiles[handler] ?? [], settings: settings.sort((a, b) => (a.key < b.key ? -1 : 1)) };
}

/** 'profile debug; default_memory = 4096' */
export function chosenText({ profiles, settings }: Chosen): string {
  const named = profiles.map((name) => `profile ${name}`);
  return [...named, ...settings.map(({ key, value }) => `${key} = ${JSON.stringify(value)}`)].join('; ');
}
