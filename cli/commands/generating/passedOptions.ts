import { engineNamed, engines } from '../../engines/index.ts';
import { KataError } from '../../errors/index.ts';
import { handlerRow } from '../../layout/index.ts';
import { profileNamed } from '../../layout/settings/index.ts';
import { aliasRequests } from '../../planning/choices/aliases.ts';
import { engineOf, list } from '../parsing/options.ts';
import { settingsRequestOf } from '../parsing/settingsRequest.ts';
import type { Call } from '../types.ts';

/** Options of `install` that the node's own installation gets as they are here. */
const passed = ['handler', 'alias', 'backend', 'format', 'engine', 'set', 'profile'];

/**
 * The arguments of the node's own `install`. What no release and no node could make right is refused here, where the user reads it: on the
 * node it would be a failure at every boot. Throws `usage`, `handler-unknown`, `profile-unknown`.
 */
export function passedOptions(call: Call, leftOut: string[]): string[] {
  const { options } = call;
  for (const name of list(options['handler'])) handlerRow(name);
  aliasRequests(list(options['alias']));
  for (const name of settingsRequestOf(call).profiles ?? []) profileNamed(name);
  refuseEngine(engineOf(options['engine']));
  return passed
    .filter((name) => !leftOut.includes(name))
    .flatMap((name) => {
      const value = options[name];
      return (Array.isArray(value) ? value : value === undefined ? [] : [String(value)]).flatMap((each) => [`--${name}`, each]);
    });
}

function refuseEngine(name: string | undefined): void {
  if (name === undefined || engineNamed(name.split('@')[0]!) !== undefined) return;
  throw new KataError('usage', {
    subject: '--engine',
    found: `--engine ${name}`,
    needed: `one of ${engines()
      .map(({ name }) => name)
      .join(', ')}`,
    next: 'kata-sysext generate --help',
  });
}

/**
 * Arguments of the kernel, one each: Ignition compares them as words, and refuses a whole configuration that has one twice. Throws `usage`.
 *
 * @param twice a MachineConfig takes one that is there twice
 */
export function kernelArgumentsOf({ options }: Call, twice: boolean): string[] {
  const all = list(options['kernel-argument']);
  const wrong = (found: string, needed: string) =>
    new KataError('usage', { subject: '--kernel-argument', found, needed, next: 'kata-sysext generate --help' });
  const odd = all.find((each) => !/^(?:[!#-~]|"[ !#-~]*")+$/.test(each));
  if (odd !== undefined)
    throw wrong(`--kernel-argument ${JSON.stringify(odd)}`, 'one argument each: ASCII, and blanks only between double quotes');
  const again = all.find((each, index) => all.indexOf(each) !== index);
  if (again !== undefined && !twice)
    throw wrong(
      `--kernel-argument ${again} twice`,
      'each argument once: Ignition refuses a configuration with one that is there twice, and the node would not boot',
    );
  return all;
}
