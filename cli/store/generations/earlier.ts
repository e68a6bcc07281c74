import type { Generation } from '../types.ts';

/** Those that were active before this one, the last of them first; of one that is gone, what was before it is not known. */
export function earlierGenerations(all: readonly Generation[], given: Generation): Generation[] {
  const order: Generation[] = [];
  for (let at: Generation | undefined = given; at !== undefined; ) {
    const number: number | undefined = at.record.previous;
    at = all.find(({ manifest }) => manifest.number === number);
    if (at === undefined || at.manifest.number === given.manifest.number || order.includes(at)) return order;
    order.push(at);
  }
  return order;
}

/** The one that `rollback` makes active: those that failed are passed over. */
export function rollbackTarget(all: readonly Generation[], active: Generation): Generation | undefined {
  return earlierGenerations(all, active).find(({ record }) => record.state !== 'failed');
}
