import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labFolder } from '../spec/lab/cache.ts';

/** How many runs in a row run every spec file at least once. */
export const turns = 4;

/**
 * The turn of the next whole run: the one after that of the last whole run on this machine, else the number of commits, so that machines
 * which keep nothing advance with the history. 0 to 3.
 */
export function nextTurn(folder = labFolder()): number {
  const last = lastTurn(folder);
  return (last === undefined ? commits() : last + 1) % turns;
}

/** Remembers the turn of a whole run that came to its end. */
export function keepTurn(turn: number, folder = labFolder()): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'turn'), `${turn}\n`);
}

/** A seed whose remainder by 4 is the turn: `KATA_SYSEXT_SEED` repeats the turn as well. */
export function seedOf(turn: number): number {
  return Math.floor(Math.random() * 250_000_000) * turns + turn;
}

function lastTurn(folder: string): number | undefined {
  try {
    const turn = Number(/^([0-3])\n$/.exec(readFileSync(join(folder, 'turn'), 'utf8'))?.[1]);
    return Number.isNaN(turn) ? undefined : turn;
  } catch {
    return undefined;
  }
}

function commits(): number {
  const { stdout } = spawnSync('git', ['rev-list', '--count', 'HEAD'], { encoding: 'utf8' });
  return Number(stdout ?? 0) || 0;
}
