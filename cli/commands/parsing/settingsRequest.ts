import { settingsOfWords } from '../../planning/choices/settingsWords.ts';
import type { SettingsRequest } from '../../planning/choices/types.ts';
import type { Call } from '../types.ts';
import { list } from './options.ts';

/** What `--set`, `--unset` and `--profile` say. Throws `usage` where they contradict each other or name no key. */
export function settingsRequestOf({ options }: Call): SettingsRequest {
  const { set, unset, profile } = options;
  return settingsOfWords({ set: list(set), unset: list(unset), profiles: profile === undefined ? undefined : list(profile) });
}
