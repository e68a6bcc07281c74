import { engineNamed, enginePlugins, type Wiring } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import type { Found } from '../planning/types.ts';
import { wiringFor, wiringsOf } from '../store/index.ts';
import { findEngine, findEngineToUnwire, findEngineToWire } from './engine.ts';

type Find = (host: HostView, wish: string | undefined, recorded?: string) => Promise<Found>;

/**
 * The engines of a change: those that `--engine` names, else those that the active generation is wired into (`recorded`), else the one that
 * `findEngine` chooses. Throws `engine-unsupported` where others are named than those that are wired.
 */
export function findEngines(host: HostView, wishes: readonly string[] | undefined, recorded: Wiring | undefined): Promise<Found[]> {
  return eachOf(host, wishes, recorded, findEngine);
}

/** The same for a change that brings wiring. */
export function findEnginesToWire(host: HostView, wishes: readonly string[] | undefined, recorded: Wiring | undefined): Promise<Found[]> {
  return eachOf(host, wishes, recorded, findEngineToWire);
}

/** The same for the removal of all wiring, also from the files of an engine that is gone. */
export function findEnginesToUnwire(host: HostView, wishes: readonly string[] | undefined, recorded: Wiring | undefined): Promise<Found[]> {
  return eachOf(host, wishes, recorded, (_host, wish, name) =>
    findEngineToUnwire(host, wish, name === undefined ? undefined : wiringFor(recorded, name)),
  );
}

async function eachOf(host: HostView, wishes: readonly string[] = [], recorded: Wiring | undefined, find: Find): Promise<Found[]> {
  const wired = wiringsOf(recorded).map(({ engine }) => engine);
  if (wired.length > 1 && wishes.length > 0) refuseOthers(wired, wishes);
  if (wired.length > 1) return eachWired(host, wishes, recorded, find);
  const found: Found[] = [];
  if (wishes.length > 1 && wired[0] !== undefined) throw otherEngines(wired, wishes);
  for (const wish of wishes.length === 0 ? [undefined] : wishes) found.push(await oneOf(host, wish, recorded, wired[0], find));
  return found;
}

/** In a tree nothing tells the version but the user, who need not say it again for each change. */
async function oneOf(
  host: HostView,
  wish: string | undefined,
  recorded: Wiring | undefined,
  name: string | undefined,
  find: Find,
): Promise<Found> {
  if (host.booted) return find(host, wish, name);
  const said = wish?.split('@')[1];
  const found = await find(host, wish, name);
  const version = said ?? wiringFor(recorded, found.engine.name)?.version;
  if (version === undefined) return found;
  return { ...(said === undefined ? await find(host, `${found.engine.name}@${version}`, name) : found), version };
}

/** Of several, one that is gone is taken by its record, unless it was named or all are gone: then `engine-missing` is thrown. */
async function eachWired(host: HostView, wishes: readonly string[], recorded: Wiring | undefined, find: Find): Promise<Found[]> {
  const found: Found[] = [];
  const missing: KataError[] = [];
  for (const wiring of wiringsOf(recorded)) {
    const wish = wishFor(wishes, wiring.engine);
    try {
      found.push(await oneOf(host, wish, recorded, wiring.engine, find));
    } catch (error) {
      if (!(error instanceof KataError) || error.code !== 'engine-missing' || wish !== undefined) throw error;
      missing.push(error);
      found.push(...recordedOnly(wiring, error.complaint.found));
    }
  }
  const [first] = missing;
  if (first !== undefined && found.every(({ gone }) => gone !== undefined)) throw first;
  return found;
}

/** One of several engines that is gone (`why` in words), as the record of a generation knows it. */
export function recordedOnly({ engine: name, configPath }: Wiring, why: string): Found[] {
  const engine = engineNamed(name);
  return engine === undefined ? [] : [{ engine, instance: { engine: name, configPath }, gone: why }];
}

/** What a change has to ask for an engine that is gone; nothing for others. */
export function goneFindings({ engine, instance, gone }: Found): Finding[] {
  if (gone === undefined) return [];
  return [
    {
      code: 'engine-gone',
      level: 'blocker',
      subject: engine.name,
      found: `${gone}, and what is installed is wired into ${engine.title} too`,
      needed: `${engine.title}, or leave to take kata-sysext’s text out of ${instance.configPath} and go on with the others`,
      next: `install and start ${engine.title} again`,
    },
  ];
}

function wishFor(wishes: readonly string[], name: string): string | undefined {
  return wishes.find((wish) => nameIn(wish) === name);
}

function nameIn(wish: string): string {
  return wish.split('@')[0] ?? '';
}

/** Unknown names are complained of as such, by who looks for them. */
function refuseOthers(wired: readonly string[], wishes: readonly string[]): void {
  const names = wishes.map(nameIn);
  // One of them with its version only says what cannot be seen; all of them are wired.
  const isWhole = wired.every((name) => names.includes(name)) || wishes.every((wish) => wish.includes('@'));
  const isSame = isWhole && names.every((name) => wired.includes(name) || engineNamed(name) === undefined);
  if (!isSame) throw otherEngines(wired, wishes);
}

/** One engine more or less: its files would keep, or lack, the text of kata-sysext in the generations that are there. */
function otherEngines(wired: readonly string[], wishes: readonly string[]): KataError {
  const options = (names: readonly string[]) => names.map((name) => `--engine ${name}`).join(' ');
  return new KataError('engine-unsupported', {
    subject: '--engine',
    found: `${options(wishes)}, but what is installed here is wired into ${wired.join(' and ')}`,
    needed: 'the same engines for all generations of an installation',
    next: `kata-sysext uninstall, then install with ${options(wishes)}`,
  });
}

/** What refused engines that were named have of their own in place of Kata. */
export async function findingsInstead(host: HostView, wishes: readonly string[] = []): Promise<Finding[]> {
  const names = wishes.map(nameIn);
  const refused = enginePlugins().flatMap((row) => (row.kind === 'refused' && names.includes(row.name) ? [row] : []));
  const found = await Promise.all(refused.map((row) => row.instead?.(host) ?? []));
  return found.flat();
}
