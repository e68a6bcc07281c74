import type { Host, HostView } from '../host/index.ts';
import { readJson, writeJson } from './json.ts';
import { historyFolder } from './paths.ts';
import { historyEntry } from './shapes/index.ts';

/** One change as `history` tells it. */
export interface HistoryEntry {
  schema: number;
  id: number;
  verb: string;
  at: string;
  from?: number;
  to?: number;
  /** Why, where nobody asked for it. */
  reason?: string;
  /** By what it was asked for: the verb and its words, or the boot guard; early versions did not note it. */
  cause?: string;
  /** Who asked; not there at a boot. */
  user?: { uid: number; name?: string };
  result: 'done' | 'undone' | 'not-restored';
  /** Restarted units in order. */
  restarted: string[];
  seconds: number;
  error?: { code: string; found: string; next: string };
  /** What was seen when it failed: the unit's state, its last log lines. */
  evidence: string[];
  leftovers: { path: string; found: string; next: string }[];
}

export async function readHistory(host: HostView): Promise<HistoryEntry[]> {
  const names = (await host.readdir(historyFolder)).filter((name) => /^\d+\.json$/.test(name));
  const entries = await Promise.all(names.map((name) => readJson(host, `${historyFolder}/${name}`, historyEntry)));
  return entries.filter((entry) => entry !== undefined).sort((a, b) => a.id - b.id);
}

/** The id for the next change: never one that history or an open journal has. */
export async function nextId(host: HostView, open: number[]): Promise<number> {
  const used = (await host.readdir(historyFolder)).map((name) => Number.parseInt(name, 10)).filter(Number.isSafeInteger);
  return Math.max(0, ...used, ...open) + 1;
}

export async function writeHistory(host: Host, entry: HistoryEntry): Promise<void> {
  if ((await host.lstat(historyFolder)) === undefined) return;
  await writeJson(host, `${historyFolder}/${String(entry.id).padStart(6, '0')}.json`, entry);
}
