import { KataError } from '../../errors/index.ts';
import { type HistoryEntry, readHistory } from '../../store/index.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context, words }: Call): Promise<Reply> {
  const entries = await readHistory(context.host);
  const [wish] = words;
  if (wish === undefined)
    return { kind: 'History', body: { entries }, text: entries.length === 0 ? ['no changes yet'] : entries.map(line) };
  const entry = entries.find((each) => String(each.id) === wish);
  if (entry === undefined) {
    throw new KataError('usage', {
      subject: wish,
      found: `there is no change ${wish}`,
      needed: 'a change of this host',
      next: 'kata-sysext history',
    });
  }
  const error = entry.error === undefined ? [] : [`  why:  ${entry.error.found} [${entry.error.code}]`, `  next: ${entry.error.next}`];
  const reason = entry.reason === undefined ? [] : [`  why:  ${entry.reason}`];
  const leftovers = entry.leftovers.map((each) => `  left: ${each.path}: ${each.found}`);
  return {
    kind: 'History',
    body: { entries: [entry] },
    text: [line(entry), ...reason, ...error, ...leftovers, ...entry.evidence.map((each) => `  | ${each}`)],
  };
}

function line(entry: HistoryEntry): string {
  const way = entry.from === undefined && entry.to === undefined ? '' : ` ${entry.from ?? '–'} → ${entry.to ?? '–'}`;
  const restarted = entry.restarted.length === 0 ? '' : `, restarted ${entry.restarted.join(', ')}`;
  return `${entry.id}  ${entry.at}  ${entry.verb}${way}  ${entry.result}, ${entry.seconds} s${restarted}`;
}
