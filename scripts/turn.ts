import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labFolder } from '../spec/lab/cache.ts';

/** How many runs in a row on a machine run every spec file at least once. */
export const turns = 8;

/**
 * The turn of the next whole run: the one after that of the last whole run on this machine, else one that the commit draws, so that machines
 * which keep nothing do not run the same files for ever. 0 to 7.
 */
export function nextTurn(folder = labFolder(), checkout = '.'): number {
  const last = lastTurn(folder);
  return last === undefined ? drawnTurn(checkout) : (last + 1) % turns;
}

/** Remembers the turn of a whole run that came to its end. */
export function keepTurn(turn: number, folder = labFolder()): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'turn'), `${turn}\n`);
}

/** A seed whose remainder by 8 is the turn: `KATA_SYSEXT_SEED` repeats the turn as well. */
export function seedOf(turn: number): number {
  return Math.floor(Math.random() * 125_000_000) * turns + turn;
}

function lastTurn(folder: string): number | undefined {
  try {
    const turn = Number(/^([0-7])\n$/.exec(readFileSync(join(folder, 'turn'), 'utf8'))?.[1]);
    return Number.isNaN(turn) ? undefined : turn;
  } catch {
    return undefined;
  }
}

/** By the commit's own digest: a clone that has no history but its last commit has the same, and cannot count. 0 where there is no commit. */
function drawnTurn(checkout: string): number {
  const { stdout } = spawnSync('git', ['-C', checkout, 'rev-parse', 'HEAD'], { encoding: 'utf8' });
  const digest = /^[0-9a-f]{8}(?=[0-9a-f]{32,56}\n$)/.exec(stdout ?? '')?.[0] ?? '0';
  return Number.parseInt(digest, 16) % turns;
}
