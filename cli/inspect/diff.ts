import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { activeOne } from '../planning/choices/installed.ts';
import { aliasesOf, type Generation, payloadOf, readGeneration } from '../store/index.ts';
import { type Chosen, chosenFor, chosenText } from './chosen.ts';

type Alias = ReturnType<typeof aliasesOf>[number];

export interface Diff {
  from: number;
  to: number;
  release: { from: string; to: string };
  handlers: { added: string[]; removed: string[] };
  /** One that leads elsewhere is in both. */
  aliases: { added: Alias[]; removed: Alias[] };
  /** Handlers of both whose settings or profiles differ. */
  configured: { name: string; from: Chosen; to: Chosen }[];
  files: { added: string[]; removed: string[]; changed: string[] };
}

/** What differs between two generations; with one number, between that and the active one; with none, between the active and the one before. */
export async function diff(host: HostView, numbers: number[]): Promise<Diff> {
  const [a, b] = await pair(host, numbers);
  const files = async (each: Generation) =>
    new Map(
      ((await payloadOf(host, each.manifest))?.entries ?? []).map((entry) => [
        entry.path,
        `${entry.kind} ${entry.mode} ${entry.digest ?? entry.target ?? ''}`,
      ]),
    );
  const [before, after] = [await files(a), await files(b)];
  const names = (each: Generation) => each.manifest.handlers.map((handler) => handler.name);
  const without = (one: Generation, other: Generation) =>
    aliasesOf(one.manifest).filter(({ name, handler }) => other.manifest.choices.aliases[name] !== handler);
  return {
    from: a.manifest.number,
    to: b.manifest.number,
    release: { from: a.manifest.release, to: b.manifest.release },
    handlers: { added: names(b).filter((name) => !names(a).includes(name)), removed: names(a).filter((name) => !names(b).includes(name)) },
    aliases: { added: without(b, a), removed: without(a, b) },
    configured: configuredIn(a, b),
    files: {
      added: [...after.keys()].filter((path) => !before.has(path)),
      removed: [...before.keys()].filter((path) => !after.has(path)),
      changed: [...after.keys()].filter((path) => before.has(path) && before.get(path) !== after.get(path)),
    },
  };
}

function configuredIn(a: Generation, b: Generation): Diff['configured'] {
  const names = a.manifest.handlers.map(({ name }) => name).filter((name) => b.manifest.handlers.some((other) => other.name === name));
  const both = names.map((name) => ({ name, from: chosenFor(a.manifest.choices, name), to: chosenFor(b.manifest.choices, name) }));
  return both.filter(({ from, to }) => chosenText(from) !== chosenText(to));
}

async function pair(host: HostView, numbers: number[]): Promise<[Generation, Generation]> {
  const [first, second] = numbers;
  if (first !== undefined && second !== undefined) return [await readGeneration(host, first), await readGeneration(host, second)];
  const active = await activeOne(host);
  const other = first ?? active.record.previous;
  if (other === undefined)
    throw new KataError('no-previous-generation', {
      found: 'no generation was active before this one',
      needed: 'two generations',
      next: 'kata-sysext status -v',
    });
  return [await readGeneration(host, other), active];
}
