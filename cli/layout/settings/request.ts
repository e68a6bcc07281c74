import { KataError } from '../../errors/index.ts';
import type { Setting } from '../types.ts';
import { findKey, type Owner } from './find.ts';
import { knownKeys, readConfiguration } from './keys.ts';
import { type Kind, kindWords, readSetting } from './kinds.ts';
import { refuseOwn } from './refused.ts';

/** `--set KEY=TEXT`, taken apart; nothing is known about the key yet. */
export interface Assignment {
  key: string;
  text: string;
}

const plainKey = /^[\w-]+(\.[\w-]+)*$/;

/** Throws `usage`; what may be a secret is not repeated. */
export function readAssignment(word: string): Assignment {
  const at = word.indexOf('=');
  const [key, text] = [word.slice(0, Math.max(at, 0)).trim(), word.slice(at + 1)];
  if (at > 0 && isPlainKey(key)) return { key, text };
  throw new KataError('usage', {
    subject: '--set',
    found: at < 0 ? '--set without an equals sign' : '--set with a key that is none',
    needed: 'KEY=VALUE, the key in plain words joined by dots',
    next: 'for example: --set default_memory=4096',
  });
}

/** Whether a word could be the name of a key: parts of letters, digits, - and _, joined by dots. */
export function isPlainKey(word: string): boolean {
  return word.length <= 256 && plainKey.test(word) && !word.split('.').includes('__proto__');
}

/**
 * What the assignments mean in this configuration: path → setting. Throws `setting-unknown`, `setting-ambiguous`, `setting-type`,
 * `setting-refused`, and `bundle-configuration`.
 */
export function resolveSettings(text: string, assignments: Assignment[], owner: Owner): Map<string, Setting> {
  const known = knownKeys(readConfiguration(text, `the configuration of ${owner.name}`));
  const found = new Map<string, Setting>();
  for (const { key, text: given } of assignments) {
    const { path, kind } = findKey(key, known, owner);
    refuseOwn(path, owner.name);
    const read = kind === undefined ? { wrong: 'a kind of value that kata-sysext does not set' } : readSetting(given, kind);
    if ('value' in read) {
      found.set(path, read.value);
      continue;
    }
    const needed = kind === undefined ? 'another key' : kindWords(kind);
    throw new KataError('setting-type', {
      subject: path,
      found: `${path} was given ${read.wrong}`,
      needed: `${needed}, as in the configuration of ${owner.name}`,
      next: kind === undefined ? `write it into /etc/kata-containers/${owner.name}.d/50-own.toml` : `for example: ${example(path, kind)}`,
    });
  }
  return found;
}

const examples = { string: 'text', integer: '4096', float: '0.5', boolean: 'true' };

/** A word that this key would take, quoted for the shell. */
function example(path: string, { of, list }: Kind): string {
  if (!list) return `--set ${path}=${examples[of]}`;
  const element = of === 'string' ? '"text"' : examples[of];
  return `--set '${path}=[${element}, ${element}]'`;
}

/** The path of the setting that `--unset NAME` means among those that are set. Throws `setting-not-set` and `setting-ambiguous`. */
export function findSetting(name: string, set: string[], owner: Owner): string | undefined {
  if (set.includes(name)) return name;
  const paths = set.filter((path) => path.endsWith(`.${name}`) && !name.includes('.'));
  const own = `hypervisor.${owner.hypervisor}.${name}`;
  if (paths.length <= 1) return paths[0];
  if (paths.includes(own)) return own;
  throw new KataError('setting-ambiguous', {
    subject: name,
    found: `${name} is set in several tables of ${owner.name}: ${paths.join(', ')}`,
    needed: 'the whole path of one of them',
    next: `name it: --unset ${paths[0]}`,
    details: { paths },
  });
}
