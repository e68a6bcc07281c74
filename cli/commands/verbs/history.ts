import { KataError } from '../../errors/index.ts';
import { age, tableLines } from '../../output/index.ts';
import { type HistoryEntry, readHistory } from '../../store/index.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context, words }: Call): Promise<Reply> {
  const entries = await readHistory(context.host);
  const [number] = words;
  if (number === undefined)
    return {
      kind: 'History',
      body: { entries },
      text: entries.length === 0 ? ['no changes yet'] : historyTable(entries, context.host.now()),
    };
  const entry = entries.find((each) => String(each.id) === number);
  if (entry === undefined) {
    throw new KataError('usage', {
      subject: number,
      found: `there is no change ${number}`,
      needed: 'a change of this host',
      next: 'kata-sysext history',
    });
  }
  const error = entry.error === undefined ? [] : [`  why:  ${entry.error.found} [${entry.error.code}]`, `  next: ${entry.error.next}`];
  const reason = entry.reason === undefined ? [] : [`  why:  ${entry.reason}`];
  const leftovers = entry.leftovers.flatMap((each) => [`  left: ${each.path}: ${each.found}`, `  next: ${each.next}`]);
  return {
    kind: 'History',
    body: { entries: [entry] },
    text: [...historyTable([entry], context.host.now()), ...reason, ...error, ...leftovers, ...entry.evidence.map((each) => `  | ${each}`)],
  };
}

const heads = ['CHANGE', 'TIME', 'AGE', 'VERB', 'GENERATION', 'RESULT', 'SECONDS', 'USER', 'CAUSE', 'RESTARTED'];

function historyTable(entries: HistoryEntry[], now: Date): string[] {
  return tableLines(
    heads,
    entries.map((entry) => [
      String(entry.id),
      entry.at.replace(/\.\d+Z$/, 'Z'),
      age(entry.at, now),
      entry.verb,
      entry.from === undefined && entry.to === undefined ? '' : `${entry.from ?? '–'} → ${entry.to ?? '–'}`,
      entry.result,
      String(entry.seconds),
      entry.user === undefined ? '' : (entry.user.name ?? String(entry.user.uid)),
      entry.cause,
      entry.restarted.join(', '),
    ]),
  );
}
