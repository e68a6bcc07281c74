import type { WantedHandler } from '../../engines/types.ts';
import { byBytes, type HostPath } from '../../host/index.ts';
import { pointer } from '../paths.ts';
import type { Choices, GenerationManifest } from '../types.ts';

export function noChoices(): Choices {
  return { aliases: {}, profiles: {}, settings: {} };
}

/**
 * Everything that the engine shall offer for a generation, aliases included, by name: the order in which they were asked for makes no other
 * text and so no restart. The paths are stable over generations, for the same reason.
 */
export function offeredBy({ handlers, choices }: Pick<GenerationManifest, 'handlers' | 'choices'>, base: HostPath): WantedHandler[] {
  const own = handlers.map((handler) => offered(handler.name, handler, base));
  const aliases = Object.entries(choices.aliases).flatMap(([alias, name]) => {
    const handler = handlers.find((each) => each.name === name);
    return handler === undefined ? [] : [offered(alias, handler, base)];
  });
  return [...own, ...aliases].sort((a, b) => byBytes(a.name, b.name));
}

/** The names alone. */
export function namesOf(manifest: Pick<GenerationManifest, 'handlers' | 'choices'>): string[] {
  return offeredBy(manifest, '').map((handler) => handler.name);
}

/** The aliases, by name. */
export function aliasesOf({ choices }: Pick<GenerationManifest, 'choices'>): { name: string; handler: string }[] {
  return Object.entries(choices.aliases)
    .map(([name, handler]) => ({ name, handler }))
    .sort((a, b) => byBytes(a.name, b.name));
}

/** One name in the engine's table, served by a handler. */
export function offered(name: string, handler: { name: string; shim: string }, base: HostPath): WantedHandler {
  return { name, shim: `${base}/${handler.shim}`, configuration: `${pointer}/config/${handler.name}/configuration.toml` };
}
