/** One printed seed decides every sample of a run, so that a failure can be repeated. */
export const seed = Number(process.env['KATA_SYSEXT_SEED'] ?? Math.floor(Math.random() * 1e9));

/** `npm run test:all`: nothing is sampled. */
export const all = process.env['KATA_SYSEXT_ALL'] === '1';

/** `count` of the items, chosen by the seed and by `salt`; all of them with `npm run test:all`. */
export function sample<T>(items: T[], count: number, salt: string): T[] {
  if (all || items.length <= count) return items;
  const next = generator(salt);
  const keyed = items.map((item) => ({ item, key: next() }));
  return keyed
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ item }) => item);
}

/** mulberry32 over the seed and a salt. */
function generator(salt: string): () => number {
  let state = [...salt].reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) | 0, seed | 0);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Time for a test that loops over a sample: hours when it loops over everything. */
export const loopMs = all ? 4 * 3_600_000 : 1_800_000;
