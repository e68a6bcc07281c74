import { existsSync } from 'node:fs';
import { isAddress } from '../../download/address.ts';
import type { WantedHandler } from '../../engines/types.ts';
import { byBytes, type HostPath } from '../../host/index.ts';
import { words } from '../../output/index.ts';
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

export function aliasesOf({ choices }: Pick<GenerationManifest, 'choices'>): { name: string; handler: string }[] {
  return Object.entries(choices.aliases)
    .map(([name, handler]) => ({ name, handler }))
    .sort((a, b) => byBytes(a.name, b.name));
}

/** One name in the engine's table, served by a handler. */
export function offered(name: string, handler: { name: string; shim: string }, base: HostPath): WantedHandler {
  return { name, shim: `${base}/${handler.shim}`, configuration: `${pointer}/config/${handler.name}/configuration.toml` };
}

type Sources = Pick<GenerationManifest, 'sources' | 'sourcePaths'>;

/**
 * The sources of a generation as they can be typed in any folder: where they still lie on this machine, else a path to be filled in; an
 * address with its digest, and signatures where all have one.
 */
export function sourcePlaces({ sources, sourcePaths = [] }: Sources): string[] {
  const places = sources.map(({ name }, index) => {
    const path = sourcePaths[index];
    return path !== undefined && (isAddress(path) || existsSync(path)) ? path : `/PATH/TO/${name}`;
  });
  const signatures = sources.flatMap(({ proof }) => (proof === undefined ? [] : ['--signature', proof.place]));
  return [
    ...places,
    ...(places.some(isAddress) ? sources.flatMap(({ digest }) => ['--digest', digest]) : []),
    ...(signatures.length === 2 * sources.length ? signatures : []),
  ];
}

/** The command that installs the release of a generation again, with more options behind it. */
export function installAgain(manifest: Sources, more = ''): string {
  return `kata-sysext install ${words(sourcePlaces(manifest))}${more}`;
}
