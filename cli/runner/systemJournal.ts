import type { HostView } from '../host/index.ts';
import { escaped } from '../output/index.ts';

/** Marks the entries of ended changes: journalctl MESSAGE_ID=… finds them, whatever their words are. It never changes. */
export const messageId = '5d0c2f8e7b1a4c3f9e6d8a41c7b35e92';

/** A change that has ended, as systemd's journal gets it. */
export interface Ended {
  verb: string;
  id: number;
  result: 'done' | 'undone' | 'not-restored' | 'finished';
  from?: number | undefined;
  to?: number | undefined;
  /** Of the generation that became active. */
  release?: string | undefined;
  /** Why the change failed, or why it ran without a request of a user. */
  reason?: string | undefined;
  seconds?: number;
}

const logMs = 5000;
const maxChars = 1000;
/** Levels of syslog(3): notice, and error where something is not as it was. */
const priority = { done: 5, finished: 5, undone: 4, 'not-restored': 3 };

/**
 * Writes one entry with fields of its own to systemd's journal. Nothing of an offline tree or of an image that is built belongs there. A
 * failure is no failure of the change.
 */
export async function writeSystemJournal(host: HostView, ended: Ended): Promise<void> {
  if (!host.booted || host.image) return;
  await host.run('logger', ['--journald'], { input: entryText(ended), timeoutMs: logMs }).catch(() => undefined);
}

/** As `logger --journald` reads it: a line for each field. */
export function entryText(ended: Ended): string {
  const { verb, id, result, from, to, release, reason, seconds } = ended;
  const fields: [string, string | number | undefined][] = [
    ['MESSAGE_ID', messageId],
    ['MESSAGE', message(ended)],
    ['PRIORITY', priority[result]],
    ['SYSLOG_IDENTIFIER', 'kata-sysext'],
    ['KATA_SYSEXT_VERB', verb],
    ['KATA_SYSEXT_CHANGE', id],
    ['KATA_SYSEXT_RESULT', result],
    ['KATA_SYSEXT_FROM', from],
    ['KATA_SYSEXT_TO', to],
    ['KATA_SYSEXT_RELEASE', release],
    ['KATA_SYSEXT_REASON', reason],
    ['KATA_SYSEXT_SECONDS', seconds],
  ];
  return fields.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${oneLine(String(value))}\n`])).join('');
}

function message({ verb, id, result, from, to, release, reason }: Ended): string {
  const way = from === undefined && to === undefined ? '' : `, generation ${from ?? 'none'} to ${to ?? 'none'}`;
  return `change ${id} (${verb}${way}${release === undefined ? '' : `, Kata ${release}`}): ${result}${reason === undefined ? '' : `: ${reason}`}`;
}

/** A line break would begin another field. */
function oneLine(text: string): string {
  const line = escaped(text.replaceAll(/\s+/g, ' '));
  return line.length > maxChars ? `${line.slice(0, maxChars - 1)}…` : line;
}
