import type { Control } from './escape.ts';
import { escaped } from './escape.ts';
import type { Emit, Event } from './events.ts';
import { bytes } from './words.ts';

export type ProgressMode = 'tty' | 'plain' | 'json' | 'none';

interface Out {
  write(text: string): unknown;
  /** Where `write` escapes: what goes past that. */
  control?: Control;
  columns?: number;
}

const usualColumns = 80;
/** Returns to the start of the line and clears it. */
const again = '\r\u001b[K';

/** Events in, one of three shapes out (on standard error). `close` ends a line that is still being rewritten. */
export function reporter(mode: ProgressMode, out: Out, clock: () => number = Date.now): { emit: Emit; close(): void } {
  if (mode === 'none') return { emit: () => undefined, close: () => undefined };
  if (mode === 'json') return { emit: (event) => void out.write(`${JSON.stringify(event)}\n`), close: () => undefined };
  return mode === 'tty' ? rewriting(out, clock) : lines(out, clock);
}

/** A line an event; byte counts every two seconds, so that a log stays readable. */
function lines(out: Out, clock: () => number): { emit: Emit; close(): void } {
  const rate = rates(clock);
  let last = 0;
  return {
    close: () => undefined,
    emit: (event) => {
      const text = words(event, rate);
      if (event.kind === 'bytes') {
        if (clock() - last < 2000 && event.doneBytes !== event.totalBytes) return;
        last = clock();
      }
      out.write(`${text}\n`);
    },
  };
}

function rewriting(out: Out, clock: () => number): { emit: Emit; close(): void } {
  const rate = rates(clock);
  let open = false;
  const end = () => {
    if (open) out.write('\n');
    open = false;
  };
  return {
    close: end,
    emit: (event) => {
      const text = event.kind === 'step' ? `› ${event.number}/${event.total} ${event.detail}` : words(event, rate);
      if (event.kind !== 'bytes' && event.kind !== 'step') {
        end();
        out.write(`${text}\n`);
        return;
      }
      open = true;
      (out.control ?? out.write.bind(out))(again);
      out.write(escaped(text).slice(0, room(out.columns)));
    },
  };
}

/** Signs that fit into a line; the last place is left free, where some terminals wrap. A serial line says 0: its width is not known. */
function room(columns: number | undefined): number {
  return Math.max(1, (columns === undefined || columns < 1 ? usualColumns : columns) - 1);
}

function rates(clock: () => number): (name: string, doneBytes: number) => number {
  const started = new Map<string, number>();
  return (name, doneBytes) => {
    const since = started.get(name) ?? clock();
    started.set(name, since);
    const seconds = (clock() - since) / 1000;
    return seconds <= 0 ? 0 : doneBytes / seconds;
  };
}

/** '45 s', '3 min', '2 h' */
function duration(seconds: number): string {
  if (seconds < 100) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function words(event: Event, rate: (name: string, doneBytes: number) => number): string {
  if (event.kind === 'bytes') {
    const { name, doneBytes, totalBytes } = event;
    const speed = rate(name, doneBytes);
    const share = totalBytes === undefined || totalBytes === 0 ? '' : ` (${Math.min(100, Math.floor((100 * doneBytes) / totalBytes))} %)`;
    const total = totalBytes === undefined ? '' : ` of ${bytes(totalBytes)}${share}`;
    const left = speed === 0 || totalBytes === undefined ? 0 : Math.ceil((totalBytes - doneBytes) / speed);
    return `  ${name}: ${bytes(doneBytes)}${total}${speed === 0 ? '' : `, ${bytes(speed)}/s`}${left <= 0 ? '' : `, ${duration(left)} left`}`;
  }
  if (event.kind === 'note') return event.text;
  if (event.kind === 'warning') return `warning: ${event.text}`;
  const mark = event.kind === 'done' ? '✓' : '›';
  return `${mark} ${event.detail ?? event.name}`;
}
