import { type Literal, replaceLiterals } from './literals.ts';
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
