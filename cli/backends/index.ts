import { KataError } from '../errors/index.ts';
import { prefix } from './prefix/index.ts';
import type { Backend } from './types.ts';

export type { Backend, Seen } from './types.ts';

/** A backend is a row. */
const backends: Backend[] = [prefix];

/** 'auto' is decided once, at the first install; today it is always prefix, which fits every host. */
export function backendOf(name: string): Backend {
  const found = backends.find((backend) => backend.name === (name === 'auto' ? 'prefix' : name));
  if (found !== undefined) return found;
  throw new KataError('usage', {
    subject: '--backend',
    found: `--backend ${name}`,
    needed: `one of auto, ${backends.map((backend) => backend.name).join(', ')}`,
    next: 'kata-sysext install --help',
  });
}

export const backendNames = ['auto', ...backends.map((backend) => backend.name)];
