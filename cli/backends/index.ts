import { KataError } from '../errors/index.ts';
import type { HostFacts } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import { baked } from './baked/index.ts';
import { overlay } from './overlay/index.ts';
import { prefix } from './prefix/index.ts';
import { backendNames } from './registry.ts';
import { sysext } from './sysext/index.ts';
import type { Backend } from './types.ts';

export { isOurUnit as isOverlayUnit, unitFile as overlayUnit } from './overlay/paths.ts';
export { backendPaths } from './ownPaths.ts';
export { type OwnUnitState, ownUnitState } from './ownUnit.ts';
export { dropMade, makeMissing } from './pointer.ts';
export { backendNames, isOfImage, plainBackend } from './registry.ts';
export { mergeOf } from './sysext/merge.ts';
export type { Backend } from './types.ts';

const backends: Backend[] = [prefix, sysext, overlay, baked];

/** What 'auto' tries in this order: the first that is harmless on the host. The last one is taken in any case. Never overlay or baked. */
const automatic: Backend[] = [sysext, prefix];

export function backendOf(name: string): Backend {
  const found = backends.find((backend) => backend.name === name);
  if (found !== undefined) return found;
  throw new KataError('usage', {
    subject: '--backend',
    found: `--backend ${name}`,
    needed: `one of ${backendNames.join(', ')}`,
    next: 'kata-sysext install --help',
  });
}

/**
 * The backend that is named; with 'auto' the installed one, since that is decided once; at a first install the first harmless one.
 * Harmless means: no blocker and no warning, on a host that can be asked: of a tree that does not run it is not known what will be merged.
 */
export async function chooseBackend(host: HostView, facts: HostFacts, wish = 'auto', installed?: string): Promise<Backend> {
  const name = wish === 'auto' ? (installed ?? (host.image ? baked.name : 'auto')) : wish;
  if (host.image && name !== baked.name) throw onImage(name);
  if (name !== 'auto') return backendOf(name);
  for (const backend of host.live ? automatic.slice(0, -1) : []) {
    const findings = await backend.preflight(host, facts);
    if (findings.every(({ level }) => level === 'info')) return backend;
  }
  return automatic.at(-1)!;
}

/** What the other backends write below /var is no part of an image. */
function onImage(name: string): KataError {
  return new KataError('baked-taken', {
    subject: '--backend',
    found: `--backend ${name}, on a tree where Kata is a part of the image`,
    needed: `--backend ${baked.name}, or none`,
    next: 'kata-sysext uninstall',
  });
}
