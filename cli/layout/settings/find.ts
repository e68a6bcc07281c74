import { KataError } from '../../errors/index.ts';
import { editDistance } from '../../errors/suggest.ts';
import type { KnownKey } from './keys.ts';

/** Whose configuration is meant: what messages say, and which [hypervisor] table counts. */
export interface Owner {
  /** 'kata-qemu' */
  name: string;
  hypervisor: string;
}

/**
 * The key that a name means: a whole path, or the last part of one. A bare name that several tables have means the one below the
 * handler's own [hypervisor] table. Throws `setting-unknown` with the nearest names, or `setting-ambiguous` with the paths.
 */
export function findKey(name: string, known: ReadonlyMap<string, KnownKey>, owner: Owner): KnownKey {
  const whole = known.get(name);
  if (whole !== undefined) return whole;
  const paths = [...known.keys()].filter((path) => path.endsWith(`.${name}`) && !name.includes('.'));
  const own = `hypervisor.${owner.hypervisor}.${name}`;
  const [path] = paths.includes(own) ? [own] : paths;
  if (path === undefined) throw unknownKey(name, [...known.keys()], owner);
  if (paths.length === 1 || path === own) return known.get(path)!;
  throw new KataError('setting-ambiguous', {
    subject: name,
    found: `${name} is in several tables of the configuration of ${owner.name}: ${paths.join(', ')}`,
    needed: 'the whole path of one of them',
    next: `name it: --set ${path}=VALUE`,
    details: { paths },
  });
}

function unknownKey(name: string, paths: string[], owner: Owner): KataError {
  const close = suggestPaths(name, paths);
  return new KataError('setting-unknown', {
    subject: name,
    found: `the configuration of ${owner.name} has no key ${shortened(name)}`,
    needed: `one of its own keys; the nearest are ${close.join(', ')}`,
    next: `see /etc/kata-sysext/current/config/${owner.name}/configuration.toml; what a release knows and does not show there can be set in /etc/kata-containers/${owner.name}.d/50-own.toml`,
    details: { nearest: close },
  });
}

/** The (at most three) paths whose last part, or whole, is most like the name. */
function suggestPaths(name: string, paths: string[]): string[] {
  const short = name.slice(0, 128);
  const likeness = (path: string) => editDistance(short, name.includes('.') ? path : path.slice(path.lastIndexOf('.') + 1));
  const ranked = paths.map((path) => ({ path, distance: likeness(path) }));
  ranked.sort((a, b) => a.distance - b.distance || (a.path < b.path ? -1 : 1));
  return ranked.slice(0, 3).map(({ path }) => path);
}

function shortened(name: string): string {
  return name.length > 80 ? `${name.slice(0, 80)}…` : name;
}
