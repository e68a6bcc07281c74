import { exactOptional } from 'valibot';
import { amount, count, listOf, moment, oneOf, type Shaped, tableOf, text } from '../documents/shapes.ts';
import type { Host, HostView } from '../host/index.ts';
import { damaged, readJson, writeJson } from './json.ts';
import { historyFolder } from './paths.ts';

/** One change as `history` tells it. */
export type HistoryEntry = Shaped<typeof historyEntry>;
const historyEntry = tableOf({
  schema: count,
  id: count,
  verb: text,
  at: moment,
  from: exactOptional(count),
  to: exactOptional(count),
  /** Why, where no command asked for it. */
  reason: exactOptional(text),
  /** By what it was asked for: the verb and its words, or the boot guard. */
  cause: text,
  /** Who asked; not there at a boot. */
  user: exactOptional(tableOf({ uid: count, name: exactOptional(text) })),
  result: oneOf('done', 'undone', 'not-restored'),
  /** Restarted units in order. */
  restarted: listOf(text),
  seconds: amount,
  error: exactOptional(tableOf({ code: text, found: text, next: text })),
  /** What was seen when it failed: the unit's state, its last log lines. */
  evidence: listOf(text),
  leftovers: listOf(tableOf({ path: text, found: text, next: text })),
});

const entryName = /^\d{1,9}\.json$/;
/** A failed change has a few log lines as its evidence. */
const maxEntryBytes = 256 * 1024;

export async function readHistory(host: HostView): Promise<HistoryEntry[]> {
  const names = (await host.readdir(historyFolder)).filter((name) => entryName.test(name));
  const entries: HistoryEntry[] = [];
  // One after the other: each may be large, and there may be many.
  for (const name of names) {
    const path = `${historyFolder}/${name}`;
    const sizeBytes = (await host.stat(path))?.sizeBytes ?? 0;
    if (sizeBytes > maxEntryBytes) throw damaged(path, `it has ${sizeBytes} bytes, more than any entry`);
    const entry = await readJson(host, path, historyEntry);
    if (entry !== undefined) entries.push(entry);
  }
  return entries.sort((a, b) => a.id - b.id);
}

/** The id for the next change: never one that history or an open journal has. */
export async function nextId(host: HostView, open: number[]): Promise<number> {
  const used = (await host.readdir(historyFolder)).flatMap((name) => (entryName.test(name) ? [Number.parseInt(name, 10)] : []));
  return Math.max(0, ...used, ...open) + 1;
}

export async function writeHistory(host: Host, entry: HistoryEntry): Promise<void> {
  if ((await host.lstat(historyFolder)) === undefined) return;
  await writeJson(host, `${historyFolder}/${String(entry.id).padStart(6, '0')}.json`, historyEntry, entry);
}
