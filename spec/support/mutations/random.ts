import { generator } from '../../lab/random.ts';
import { all, seed } from '../sample.ts';

/** What a mutation chooses by. */
export interface Random {
  /** A whole number from 0 on. */
  below(limit: number): number;
  pick<T>(items: readonly T[]): T;
  /** True once in so many times. */
  once(times: number): boolean;
}

function randomOf(start: number): Random {
  const next = generator(start);
  const below = (limit: number) => (limit <= 0 ? 0 : next() % limit);
  return { below, pick: (items) => items[below(items.length)]!, once: (times) => below(times) === 0 };
}

const asked = process.env['KATA_SYSEXT_MUTATIONS'];

/** How many files a spec changes at random: 200, with `npm run test:all` 5,000, or as many as KATA_SYSEXT_MUTATIONS says. */
export const mutationCount = Number(asked ?? (all ? 5000 : 200));

/** How many of these files `eachFile` changes: each at least five times. */
export function changesOf(files: readonly unknown[]): number {
  return asked === undefined ? Math.max(mutationCount, 5 * files.length) : mutationCount;
}

/**
 * Each round has a seed of its own, so that one alone can be repeated: KATA_SYSEXT_SEED, KATA_SYSEXT_ROUND. `every`: only so many of the rounds,
 * where a spec has several loops, or little that a change could break.
 */
export async function eachRound(work: (random: Random, round: number) => Promise<void>, every = 1): Promise<void> {
  await goRounds(Math.ceil(mutationCount / every), work);
}

/** The same with the files in turn, so that none is left out by chance. */
export async function eachFile<T>(files: readonly T[], work: (file: T, random: Random) => Promise<void>): Promise<void> {
  await goRounds(changesOf(files), (random, round) => work(files[round % files.length]!, random));
}

async function goRounds(count: number, work: (random: Random, round: number) => Promise<void>): Promise<void> {
  const only = process.env['KATA_SYSEXT_ROUND'];
  const rounds = only === undefined ? [...Array(count).keys()] : [Number(only)];
  for (const round of rounds) {
    try {
      await work(randomOf(Math.imul(seed, 1_000_003) + round), round);
    } catch (error) {
      if (error instanceof Error) error.message = `KATA_SYSEXT_SEED=${seed} KATA_SYSEXT_ROUND=${round}: ${error.message}`;
      throw error;
    }
  }
}
