import type { Host } from '../host/index.ts';
import { dropGeneration, dropHistory, dropPayload, findGeneration, wiringsWith, writeRecord } from '../store/index.ts';
import { endEntry } from './journal.ts';
import type { Intent } from './types.ts';

/** What is left to do once the commit record is on the disk. Safe to repeat. */
export async function cleanUp(host: Host, intent: Intent): Promise<void> {
  const { records, dropGenerations, dropPayloads, purge } = intent.afterwards;
  for (const { number, ...change } of records) {
    const generation = await findGeneration(host, number);
    if (generation !== undefined) {
      const record = { ...generation.record, ...change };
      const wired = change.wiring !== undefined || change.edited !== undefined;
      await writeRecord(host, number, { ...record, ...(wired ? wiringsWith(record, intent.deployment) : {}) });
    }
    await host.failpoint('afterwards/record');
  }
  for (const number of dropGenerations) {
    await dropGeneration(host, number);
    await host.failpoint('afterwards/generation');
  }
  for (const digest of dropPayloads) {
    await dropPayload(host, digest);
    await host.failpoint('afterwards/payload');
  }
  if (purge) await dropHistory(host);
  await host.failpoint('afterwards/history');
  await endEntry(host, intent.id);
  await host.failpoint('afterwards/journal');
}
