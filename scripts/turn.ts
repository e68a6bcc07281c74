import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labFolder } from '../spec/lab/cache.ts';
import { groups } from './tiers.ts';

/**
 * How many runs there are before all begins again. Sixteen in a row run every spec file (`tiers.ts`); what a file that runs in one of them does
 * for one backend only, it has done for each of them by then (`spec/support/plan.ts`).
 */
export const turns = groups * 9;

/**
 * The turn of the next whole run: the one after that of the last whole run on this machine, else one that the commit draws, so that machines
 * which keep nothing do not run the same files for ever. 0 to 143.
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

/** A seed whose remainder is the turn: `KATA_SYSEXT_SEED` repeats the turn as well. */
export function seedOf(turn: number): number {
  return Math.floor(Math.random() * Math.floor(1e9 / turns)) * turns + turn;
}

function lastTurn(folder: string): number | undefined {
  try {
    const turn = Number(/^(\d{1,3})\n$/.exec(readFileSync(join(folder, 'turn'), 'utf8'))?.[1]);
    return turn < turns ? turn : undefined;
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
