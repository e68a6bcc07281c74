/** A value that is known to be on this host and must not be shown. */
export interface Literal {
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
export function replaceLiterals<L extends Literal>(text: string, literals: L[], mark: (literal: L) => string): string {
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
