import { generator } from '../lab/random.ts';

/** One printed seed decides every sample of a run, so that a failure can be repeated. */
export const seed = Number(process.env['KATA_SYSEXT_SEED'] ?? Math.floor(Math.random() * 1e9));

/** `npm run test:all`: nothing is sampled. */
export const all = process.env['KATA_SYSEXT_ALL'] === '1';

/** `count` of the items, chosen by the seed and by `salt`; all of them with `npm run test:all`. */
export function sample<T>(items: readonly T[], count: number, salt: string): T[] {
  if (all || items.length <= count) return [...items];
  const next = generator([...salt].reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) | 0, seed | 0));
  const keyed = items.map((item) => ({ item, key: next() }));
  return keyed
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ item }) => item);
}

/** Time for a test that loops over a sample: hours when it loops over everything. */
export const loopMs = all ? 4 * 3_600_000 : 1_800_000;
