import { posix } from 'node:path';
import { engineNamed } from '../engines/index.ts';
import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import type { Found } from '../planning/types.ts';
import { findEngine } from '../preflight/engine.ts';
import { recordedOnly } from '../preflight/engines.ts';
import { type Generation, wiringsOf } from '../store/index.ts';

/**
 * The engine that a generation is wired for, by what was recorded when it was: no other engine is looked for, because the boot guard may
 * edit only files that were wired. `configPath` is what it reads now. Of several engines the first. Throws `engine-missing` where its unit
 * or its binary is gone.
 */
export async function wiredEngine(host: HostView, { manifest, record: { wiring } }: Generation): Promise<Found> {
  if (wiring === undefined) return findEngine(host, undefined);
  const engine = engineNamed(wiring.engine);
  const instance = await engine?.findRecorded(host, wiring);
  if (engine !== undefined && instance !== undefined) return { engine, instance };
  throw new KataError('engine-missing', {
    subject: wiring.unit ?? wiring.engine,
    found: `${wiring.unit ?? wiring.engine}, which generation ${manifest.number} is wired for, or its program is not on this system`,
    needed: 'the engine that was there when it was wired',
    next: 'uninstall and install again, if another engine has replaced it: kata-sysext uninstall',
  });
}

/** The part of one engine. */
export function partFor(generation: Generation, { engine }: Found): Generation {
  return partsOf(generation).find(({ record: { wiring } }) => wiring?.engine === engine.name) ?? generation;
}

/** The generation once for each engine that it is wired into, each with the wiring of that one alone. */
export function partsOf({ manifest, record }: Generation): Generation[] {
  const { wiring, ...rest } = record;
  const parts = wiringsOf(wiring).map((each) => ({ manifest, record: { ...rest, wiring: each } }));
  return parts.length === 0 ? [{ manifest, record }] : parts;
}

/**
 * All engines that a generation is wired into, as they are now. Of several, one that is gone is taken by its record: its
 * files must not go on to name what goes. Throws `engine-missing` where all are.
 */
export async function wiredEngines(host: HostView, generation: Generation): Promise<Found[]> {
  const parts = partsOf(generation);
  const found = await Promise.all(parts.map((part) => wiredEngine(host, part).catch((error: unknown) => missing(error))));
  const [fault] = found.filter((each) => each instanceof KataError);
  if (fault !== undefined && found.every((each) => each instanceof KataError)) throw fault;
  return found.flatMap((each, index) => {
    const part = parts[index]!;
    if (!(each instanceof KataError)) return [each];
    const { wiring } = part.record;
    return wiring === undefined ? [] : recordedOnly(wiring, each.complaint.found);
  });
}

function missing(error: unknown): KataError {
  if (error instanceof KataError && error.code === 'engine-missing') return error;
  throw error;
}

/**
 * The same engine with the files that were wired, whatever it reads now: only those may be edited. The folder of drop-ins is the one that
 * has kata-sysext's.
 */
export function asWired({ engine, instance }: Found, { record: { wiring } }: Generation): Found {
  if (wiring === undefined) return { engine, instance };
  const [mark] = wiring.marks;
  const folder = instance.configFolder === undefined || mark === undefined ? {} : { configFolder: posix.dirname(mark.path) };
  return { engine, instance: { ...instance, configPath: wiring.configPath, ...folder } };
}

/** In a sentence, why the engine does not read the files that a generation is wired in; undefined when it does. */
export async function readsOther(host: HostView, found: Found, generation: Generation): Promise<string | undefined> {
  const { engine, instance } = found;
  const { manifest, record } = generation;
  const { wiring } = record;
  if (wiring === undefined) return `how generation ${manifest.number} is wired is not known`;
  const { configPath, marks } = wiring;
  const own = asWired(found, generation).instance;
  const folders = [instance, own].map(({ configFolder }) => configFolder);
  const [folder, wired] = await Promise.all(folders.map(async (path) => path && (await host.realpath(path))));
  if (instance.configPath !== configPath || folder !== wired) {
    const [now, then] = [instance, own].map((each) => [each.configPath, ...(each.configFolder === undefined ? [] : [each.configFolder])]);
    return `${engine.name} reads ${now?.join(' and ')} now; generation ${manifest.number} is wired for ${then?.join(' and ')}`;
  }
  const whole = marks.some(({ kind, path }) => kind === 'file' && path === configPath);
  const main = engine.dropInsNeedMain && marks.length > 0 && !whole ? [configPath] : [];
  for (const path of [...main, ...marks.flatMap((mark) => (mark.kind === 'range' ? [mark.path] : []))])
    if ((await host.stat(path)) === undefined) return `${path}, which generation ${manifest.number} is wired in, is gone`;
  return undefined;
}
