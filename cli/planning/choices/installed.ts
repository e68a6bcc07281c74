import { KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { activeGeneration, type Generation, type GenerationManifest } from '../../store/index.ts';
import type { Configurable } from './settings.ts';

/** Throws `nothing-installed`. */
export async function activeOne(host: HostView): Promise<Generation> {
  const active = await activeGeneration(host);
  if (active !== undefined) return active;
  throw new KataError('nothing-installed', {
    found: 'there is no active generation',
    needed: 'an installed generation',
    next: 'kata-sysext install BUNDLE',
  });
}

/** The handlers of a generation by their installed or short names. Throws `handler-unknown` naming the installed ones. */
export function handlersOf({ handlers }: GenerationManifest, names: string[]): GenerationManifest['handlers'] {
  if (names.length === 0) return handlers;
  const wrong = names.find((name) => !handlers.some((handler) => isCalled(handler, name)));
  if (wrong === undefined) return handlers.filter((handler) => names.some((name) => isCalled(handler, name)));
  throw new KataError('handler-unknown', {
    subject: wrong,
    found: `no handler ${wrong} is installed`,
    needed: `one of ${handlers.map((handler) => handler.name).join(', ')}`,
    next: 'kata-sysext status',
  });
}

function isCalled({ name }: Configurable, word: string): boolean {
  return name === word || name === `kata-${word}`;
}
