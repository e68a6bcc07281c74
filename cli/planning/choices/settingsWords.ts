import { KataError } from '../../errors/index.ts';
import { isPlainKey, readAssignment } from '../../layout/settings/index.ts';
import type { SettingsRequest } from './types.ts';

/** What takes all profiles away. */
const none = 'none';

/** As the command line and a request have them; `profiles` is undefined where nothing is said of them. */
export interface SettingsWords {
  /** KEY=VALUE */
  set: string[];
  /** Keys. */
  unset?: string[];
  profiles: string[] | undefined;
}

/** What words about settings mean. Throws `usage` where they contradict each other or name no key. */
export function settingsOfWords({ set: assignments, unset = [], profiles: given }: SettingsWords): SettingsRequest {
  const set = assignments.map(readAssignment);
  const wrong = unset.find((key) => !isPlainKey(key));
  if (wrong !== undefined) throw usage('--unset', '--unset with a key that is none', 'a key in plain words joined by dots');
  const keys = [...set.map(({ key }) => key), ...unset];
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) throw usage('--set', `${twice} is named twice`, 'one setting for each key');
  if (given?.includes(none) && given.some((name) => name !== none))
    throw usage('--profile', '--profile none together with another profile', 'either none or the profiles');
  const profiles = given === undefined ? undefined : [...new Set(given)].filter((name) => name !== none);
  return { set, unset, profiles };
}

function usage(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext configure --help' });
}
