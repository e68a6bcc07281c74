import { commandWord } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';

/**
 * Characters that a terminal acts on, or that change what a line seems to say: C0 but for newline and tab, DEL, C1, line and paragraph
 * separators, and all format characters (bidirectional controls, zero width ones, tags). Lone halves of surrogate pairs as well.
 */
const unsafe = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Text as it may be shown: each unsafe character becomes \uXXXX, in UTF-16 units. Inside a JSON string that is the same value, so one
 * function serves text and JSON.
 */
export function escaped(text: string): string {
  return text.replace(unsafe, (sign) =>
    Array.from({ length: sign.length }, (_, index) => `\\u${sign.charCodeAt(index).toString(16).padStart(4, '0')}`).join(''),
  );
}

interface Writes {
  write(text: string, ...rest: never[]): unknown;
}

/** Writes a control sequence that a terminal shall act on. */
export type Control = (sequence: string) => unknown;

/**
 * The same stream, but all text that is written to it is escaped, and then painted. `control` writes past that. Everything else is the stream's own, so that
 * listeners, callbacks and the size of the terminal stay what they are.
 */
export function escapingStream<T extends Writes>(stream: T, paint: (text: string) => string = (text) => text): T & { control: Control } {
  const write = (text: unknown, ...rest: never[]) =>
    stream.write(typeof text === 'string' ? paint(escaped(text)) : (text as string), ...rest);
  const own: Record<string | symbol, unknown> = { write, control: (sequence: string) => stream.write(sequence) };
  return new Proxy(stream, {
    get: (target, name) => {
      if (name === 'write' || name === 'control') return own[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  }) as T & { control: Control };
}

/** A kata-sysext command as it must be typed for this host: of an offline tree it names the tree. */
export function command(host: HostView, line: string): string {
  return `kata-sysext ${line}${host.booted ? '' : ` --root ${words([host.root])}`}`;
}

/** Words as a shell takes them. */
export function words(each: string[]): string {
  return each.map(commandWord).join(' ');
}
