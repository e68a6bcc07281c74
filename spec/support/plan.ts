import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tiers } from '../../scripts/tiers.ts';
import { turns } from '../../scripts/turn.ts';
import type { Suite } from '../lab/roots.ts';
import { all, seed } from './sample.ts';

/** `npm test` says the number of its run by the seed. */
const hasNumber = process.env['KATA_SYSEXT_SEED'] !== undefined;

export interface WholeRound {
  backend: 'prefix' | 'sysext' | 'overlay';
  suite: Suite;
}

/** Install, upgrade, rollback and uninstall on a live host: each backend with each suite, no backend twice in a row. */
export const wholeRounds: readonly WholeRound[] = [
  { backend: 'prefix', suite: 'bookworm' },
  { backend: 'sysext', suite: 'trixie' },
  { backend: 'overlay', suite: 'forky' },
  { backend: 'prefix', suite: 'trixie' },
  { backend: 'sysext', suite: 'forky' },
  { backend: 'overlay', suite: 'bookworm' },
  { backend: 'prefix', suite: 'forky' },
  { backend: 'sysext', suite: 'bookworm' },
  { backend: 'overlay', suite: 'trixie' },
];

/**
 * The suites with which this run plays the whole round of a backend: two rounds a run, all nine in five runs in a row. A spec file that is run
 * outside of such a run plays one in any case: without a test it would pass.
 */
export function suitesOf(backend: WholeRound['backend'], turn = seed % turns, isInRun = hasNumber): Suite[] {
  const own = wholeRounds.filter((round) => round.backend === backend);
  const now = taken(wholeRounds, 2, turn).filter((round) => own.includes(round));
  return (now.length > 0 || isInRun ? now : taken(own, 1, turn)).map(({ suite }) => suite);
}

/**
 * The next `count` of a list of rounds, by the number of the run and not by chance: so many runs in a row as the list is long play each of
 * them at least once. A spec file that has its turns moves on each time that it runs. All of them with `npm run test:all`.
 *
 * @param file `import.meta.url` of the spec
 */
export function planned<T>(file: string, rounds: readonly T[], count: number, turn = seed % turns): T[] {
  return taken(rounds, count, timesBefore(file, turn));
}

/** How often the file has run in the runs before this one. */
function timesBefore(file: string, turn: number): number {
  const name = relative(fileURLToPath(new URL('../../', import.meta.url)), fileURLToPath(file));
  const groups = tiers.find(({ turns }) => turns?.flat().includes(name))?.turns?.map((files) => files.includes(name)) ?? [true];
  const runs = (of: boolean[]) => of.filter((has) => has).length;
  return Math.floor(turn / groups.length) * runs(groups) + runs(groups.slice(0, turn % groups.length));
}

function taken<T>(rounds: readonly T[], count: number, times: number): T[] {
  if (all || rounds.length <= count) return [...rounds];
  return Array.from({ length: count }, (_, index) => rounds[(times * count + index) % rounds.length]!);
}
