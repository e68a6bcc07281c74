import { cleaned, type Kind, placeholders, type Redaction } from './placeholders.ts';
import { rules, wholes } from './rules.ts';
import { isEngineWord, shapesOf } from './secretKeys.ts';

export { kinds, type Redaction } from './placeholders.ts';
export { secretsIn } from './secretKeys.ts';

/** What is known of a host and must not be shown: found everywhere, in whatever shape. */
export interface Known {
  secrets: string[];
  hosts: string[];
  users: string[];
  /** Machine, boot. */
  ids: string[];
}

export interface Redactor {
  /** The text without secrets, names and addresses; the same value gives the same placeholder in every text of this redactor. */
  redact(text: string): string;
  counts(): Redaction[];
}

/** Shorter ones could be a part of any word. */
const wholeBelow = 8;

/** Names that every host has: not worth hiding, and too frequent to replace. */
const commonNames = new Set(
  'localhost localhost.localdomain localdomain ip6-localhost ip6-loopback root core admin kata systemd linux kubelet none'.split(' '),
);

/**
 * Pure: text in, text out. First the known values, then what looks like a secret, a name or an address. In doubt it is replaced.
 * See `rules.ts` for what is found by its look.
 */
export function redactor(known: Known): Redactor {
  const marks = placeholders();
  const literals = literalsOf(known);
  return {
    redact(text) {
      const whole = wholes.reduce((so, rule) => rule.apply(so, marks.mark), cleaned(text));
      const plain = replaceLiterals(whole, literals, ({ kind, of }) => marks.mark(kind, of));
      return marks.show(rules.reduce((so, rule) => rule.apply(so, marks.mark), plain));
    },
    counts: marks.counts,
  };
}

interface KnownLiteral extends Literal {
  kind: Kind;
  /** The value that it is a shape of. */
  of: string;
}

function literalsOf({ secrets, hosts, users, ids }: Known): KnownLiteral[] {
  const names = (values: string[]) =>
    values
      .map((value) => value.trim())
      .filter((value) => value.length >= 2 && !commonNames.has(value.toLowerCase()) && !isEngineWord(value.toLowerCase()));
  return [
    ...secrets.flatMap((of) =>
      shapesOf(of).map(
        (value): KnownLiteral => ({ kind: 'secret', of, value: cleaned(value), whole: value.length < wholeBelow, anyCase: false }),
      ),
    ),
    ...names(hosts).map((of): KnownLiteral => ({ kind: 'host', of, value: cleaned(of), whole: true, anyCase: true })),
    ...names(users).map((of): KnownLiteral => ({ kind: 'user', of, value: cleaned(of), whole: true, anyCase: false })),
    ...names(ids).flatMap((of) =>
      [of, of.replaceAll('-', '')].map(
        (value): KnownLiteral => ({ kind: 'id', of: of.replaceAll('-', ''), value, whole: false, anyCase: true }),
      ),
    ),
  ];
}

/** A value that is known to be on this host and must not be shown. */
interface Literal {
  value: string;
  /** Found only where no letter, digit or hyphen is next to it: for values that could be a part of other words. */
  whole: boolean;
  /** Upper and lower case are the same. */
  anyCase: boolean;
}

const headLength = 2;
const besides = /[\p{L}\p{N}_-]/u;

/**
 * Replaces every occurrence of the literals, the longest at each place. One pass over the text whatever their number: a pattern of
 * thousands of alternatives would try each at every character.
 */
function replaceLiterals<L extends Literal>(text: string, literals: L[], mark: (literal: L) => string): string {
  const heads = new Map<string, L[]>();
  for (const literal of [...literals].sort((a, b) => b.value.length - a.value.length)) {
    if (literal.value.length < headLength) continue;
    const head = lower(literal.value.slice(0, headLength));
    heads.set(head, [...(heads.get(head) ?? []), literal]);
  }
  if (heads.size === 0) return text;
  const low = lower(text);
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at + headLength <= text.length; at += 1) {
    const found = heads.get(low.slice(at, at + headLength))?.find((literal) => isAt(text, low, at, literal));
    if (found === undefined) continue;
    parts.push(text.slice(from, at), mark(found));
    from = at + found.value.length;
    at = from - 1;
  }
  return parts.length === 0 ? text : `${parts.join('')}${text.slice(from)}`;
}

function isAt(text: string, low: string, at: number, { value, whole, anyCase }: Literal): boolean {
  if (!(anyCase ? low.startsWith(lower(value), at) : text.startsWith(value, at))) return false;
  return !whole || !(besides.test(text[at - 1] ?? ' ') || besides.test(text[at + value.length] ?? ' '));
}

/** Only ASCII, so that lengths stay the same. */
function lower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
