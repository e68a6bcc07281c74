import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { bytes, command } from '../output/index.ts';
import { type Dropped, whatGoes } from '../planning/removal.ts';
import { belongsToImage } from '../planning/switch.ts';
import { activeGeneration, type Generation, pointedElsewhere, readGenerations, rollbackTarget } from '../store/index.ts';
import { type Afterwards, parkedGenerations } from '../transaction/index.ts';
import { runningPayloads } from './running.ts';

/** How many of the newest generations gc keeps by default. */
export const usualKeep = 2;

export interface Collectable {
  numbers: number[];
  afterwards: Afterwards;
  goes: Dropped;
}

/** What gc would remove. Reads only. */
export async function collectable(host: HostView, keep: number): Promise<Collectable> {
  const all = await readGenerations(host);
  const stay = await staying(host, all, keep);
  const go = all.filter(({ manifest }) => !stay.has(manifest.number) && !belongsToImage(host, manifest));
  const kept = new Set(all.filter((generation) => stay.has(generation.manifest.number)).map((generation) => generation.manifest.payload));
  const dropPayloads = [...new Set(go.map((generation) => generation.manifest.payload))].filter((digest) => !kept.has(digest));
  const numbers = go.map((generation) => generation.manifest.number);
  const afterwards = { records: [], dropGenerations: numbers, dropPayloads, purge: false };
  return { numbers, afterwards, goes: await whatGoes(host, all, afterwards) };
}

async function staying(host: HostView, all: Generation[], keep: number): Promise<Set<number>> {
  const active = await activeGeneration(host);
  const running = await runningPayloads(host);
  const newest = all.map((generation) => generation.manifest.number).slice(keep === 0 ? all.length : -keep);
  const used = all
    .filter(({ record, manifest }) => record.pinned === true || running.has(manifest.payloadFolder))
    .map(({ manifest }) => manifest.number);
  return new Set(
    [
      ...(await pointedElsewhere(host)),
      ...(await parkedGenerations(host)),
      active?.manifest.number,
      active?.record.previous,
      active && rollbackTarget(all, active)?.manifest.number,
      ...newest,
      ...used,
    ].filter((number) => number !== undefined),
  );
}

/** How to get room: gc first, where it frees something, with the bytes; then `look`, the command that shows the file system. */
export async function roomAdvice(host: HostView, look: string): Promise<string> {
  // Where the state cannot be read whole, that is another complaint.
  const found = await collectable(host, usualKeep).catch(() => undefined);
  const frees = found === undefined || found.numbers.length === 0 ? 0 : found.goes.freedBytes;
  return `free some: ${frees === 0 ? '' : `${command(host, 'gc')} (frees ${bytes(frees)}); `}${look}`;
}

/** Who writes says only where a disk ran full: for people gc belongs to it. Any other error as it is. */
export async function withRoomAdvice(host: HostView, error: unknown): Promise<unknown> {
  const look =
    error instanceof KataError && error.code === 'host-space' ? /^free some: (df .*)$/.exec(error.complaint.next)?.[1] : undefined;
  if (look === undefined || !(error instanceof KataError)) return error;
  return new KataError(error.code, { ...error.complaint, next: await roomAdvice(host, look) });
}
