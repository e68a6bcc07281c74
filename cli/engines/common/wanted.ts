import { KataError } from '../../errors/index.ts';
import type { WantedHandler } from '../types.ts';

/** Kubernetes' rule for a RuntimeClass handler (a DNS label) and absolute paths; throws handler-unknown. */
export function checkWanted(wanted: readonly WantedHandler[]): void {
  for (const { name, shim, configuration } of wanted) {
    const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) && name.length <= 63;
    if (label && shim.startsWith('/') && configuration.startsWith('/')) continue;
    throw new KataError('handler-unknown', {
      subject: name,
      found: `The handler "${name}" (${shim}, ${configuration}) cannot be offered.`,
      needed: 'A name of at most 63 lower-case letters, digits and inner hyphens, and absolute paths.',
      next: 'Choose another name.',
    });
  }
}
