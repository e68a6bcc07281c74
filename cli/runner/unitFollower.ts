import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { exactOptional, literal, looseObject, variant } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { amount, misfitOf, type Shape, text } from '../documents/shapes.ts';
import { errnoOf, KataError } from '../errors/index.ts';
import { openRegular, readRegular } from '../host/index.ts';
import type { Emit, Event } from '../output/index.ts';
import type { Systemd, Unit } from '../systemd/types.ts';

/** Where a transient unit of kata-sysext writes: its progress, and its exit status once it has ended. */
export interface UnitFiles {
  err: string;
  status: string;
}

export interface Follower {
  emit: Emit;
  /** Hears what is no event. */
  line(text: string): void;
  /** True: it is left where it is, and the answer is 0. */
  left(): boolean;
  /** The last signal that was passed on to the unit; 0: none. */
  passed(): number;
  /** How often it is looked at. */
  pollMs?: number;
}

const usualPollMs = 40;
/** How long a unit may be gone before its exit status counts as lost. */
const goneMs = 3000;
/** systemd may be busy, or the bus lost: what the unit writes is followed all the same. */
const askMs = 1000;

/** Follows a transient unit until it has ended, and gives its exit status. Throws `failed`, `interrupted` where it has none. */
export async function followUnit(systemd: Systemd, unit: Unit, files: UnitFiles, follower: Follower): Promise<number> {
  const { pollMs = usualPollMs } = follower;
  const lines = tail(files.err);
  let goneSince: number | undefined;
  for (;;) {
    const ended = (await readText(files.status)) ?? '';
    for (const line of await lines.next(ended !== '')) tell(line, follower);
    if (ended !== '') return exitStatus(ended.trim(), unit, follower.passed());
    if (follower.left()) return 0;
    goneSince = (await isGone(systemd, unit)) ? (goneSince ?? performance.now()) : undefined;
    if (goneSince !== undefined && performance.now() - goneSince > goneMs) throw vanished(unit);
    await sleep(pollMs);
  }
}

/** A signal to the unit's process, as soon as it has one: before that a signal is lost. */
export async function signalMain(systemd: Systemd, unit: Unit, number: number): Promise<void> {
  const until = performance.now() + goneMs;
  while (performance.now() < until && (await systemd.unit(unit)).mainPid === 0 && !(await isGone(systemd, unit))) await sleep(usualPollMs);
  await systemd.signal(unit, number);
}

/** True only when systemd says so: no answer is no news. */
async function isGone(systemd: Systemd, unit: Unit): Promise<boolean> {
  const asked = systemd.unit(unit).then(
    ({ activeState }) => !['active', 'activating', 'deactivating'].includes(activeState),
    () => false,
  );
  const late = new AbortController();
  const waited = sleep(askMs, false, { signal: late.signal }).catch(() => false);
  return Promise.race([asked, waited]).finally(() => late.abort());
}

function tell(line: string, { emit, line: plain }: Follower): void {
  const event = line.startsWith('{') ? parsed(line) : undefined;
  if (event === undefined) plain(line);
  else emit(event);
}

/** What a line of the change's unit may say; see `Event`. */
const maxLineBytes = 1024 * 1024;
const eventShape: Shape<Event> = variant('kind', [
  looseObject({ kind: literal('phase'), name: text, detail: exactOptional(text) }),
  looseObject({ kind: literal('step'), name: text, detail: text, number: amount, total: amount }),
  looseObject({ kind: literal('bytes'), name: text, doneBytes: amount, totalBytes: exactOptional(amount) }),
  looseObject({ kind: literal('done'), name: text, detail: exactOptional(text) }),
  looseObject({ kind: literal('note'), text }),
  looseObject({ kind: literal('warning'), text }),
]);

function parsed(line: string): Event | undefined {
  try {
    const event = parseJson(line, { maxBytes: maxLineBytes });
    return misfitOf(eventShape, event) === undefined ? (event as Event) : undefined;
  } catch {
    return undefined;
  }
}

/** The text of a small file of the unit; undefined where it is not there. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readRegular(path, 'configuration')).toString();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole lines that came since the last call; at the end the rest as well. Of a line without an end it keeps no more than a line may have. */
function tail(path: string): { next(last: boolean): Promise<string[]> } {
  let at = 0;
  let rest = '';
  return {
    next: async (last) => {
      for (;;) {
        const piece = await pieceAt(path, at);
        at += piece.length;
        rest += piece.toString();
        if (piece.length < maxLineBytes) break;
        if (!rest.includes('\n')) rest = rest.slice(-maxLineBytes);
      }
      const lines = rest.split('\n');
      rest = last ? '' : (lines.pop() ?? '');
      return lines.filter((line) => line !== '');
    },
  };
}

async function pieceAt(path: string, at: number): Promise<Buffer> {
  const file = await openRegular(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return Buffer.alloc(0);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(maxLineBytes), 0, maxLineBytes, at);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function exitStatus(said: string, unit: Unit, passed: number): number {
  if (/^\d+$/.test(said)) return Number(said);
  // It had not begun to listen, or it was the second one.
  if (passed !== 0 && constants.signals[`SIG${said}` as NodeJS.Signals] === passed) throw endedBySignal(unit, passed, `by SIG${said}`);
  throw vanished(unit, `it was ended by signal ${said}`);
}

export function endedBySignal(unit: Unit, number: number, how: string): KataError {
  return new KataError('interrupted', {
    subject: unit,
    found: `the unit of the change was ended ${how}; the next change first undoes what it had begun`,
    needed: 'time to finish',
    next: 'kata-sysext recover',
    details: { signal: number },
  });
}

function vanished(unit: Unit, why = 'it is gone without an exit status'): KataError {
  return new KataError('failed', {
    subject: unit,
    found: `the change’s own unit did not end by itself: ${why}`,
    needed: 'an exit status',
    next: 'kata-sysext recover',
  });
}
