import { textMutators, wellFormed } from './bytes.ts';
import type { Random } from './random.ts';

/** What may be done to one value of a JSON document: by a hand that slipped, or by one that tries what is believed. */
const values: ((value: unknown, random: Random) => unknown)[] = [
  (value, { below }) => (typeof value === 'string' && value !== '' ? flipped(value, below(value.length)) : value),
  (value, { below }) => (typeof value === 'string' ? value.slice(0, below(value.length + 1)) : value),
  (value, { below }) => (typeof value === 'string' ? `${value.slice(0, below(value.length + 1))}${value}` : value),
  (value, { pick }) => (typeof value === 'string' ? value + pick([' ', '=', 'AAAA', '\n', '\0', '/../x', '?', '*']) : value),
  (value, { pick }) => (typeof value === 'number' ? pick([value + 1, -value, value + 0.5, 1e300, 0]) : value),
  (value, { below }) => (Array.isArray(value) ? [...value, value[below(value.length)]] : value),
  (value) => (Array.isArray(value) ? value.slice(1) : value),
  (value, { pick }) => (Array.isArray(value) || typeof value === 'object' ? pick([null, [], {}, 'x', 7]) : value),
  (_, { pick }) => pick([null, true, 0, '', [], {}, 'x'.repeat(3000), '\u2014 (a+)+$', { a: { a: { a: [] } } }]),
];

function flipped(text: string, at: number): string {
  return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
}

/** One to three values are changed, a key goes or comes twice, or the text is changed as any other text. */
export function mutatedDocument(text: string, random: Random): string {
  if (random.once(4)) return wellFormed(random.pick(textMutators)(text, random));
  const document = JSON.parse(text) as object;
  for (let count = 1 + random.below(3); count > 0; count -= 1) {
    const places = placesOf(document);
    if (places.length === 0) break;
    const { holder, key } = random.pick(places);
    if (random.once(6)) Reflect.deleteProperty(holder, key);
    else Reflect.set(holder, key, random.pick(values)(Reflect.get(holder, key), random));
  }
  const written = random.once(3) ? JSON.stringify(document, undefined, 2) : JSON.stringify(document);
  return random.once(10) ? written.replace(/^\{("\w+":)/, '{$1null,$1') : written;
}

function placesOf(value: unknown): { holder: object; key: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((key) => [{ holder: value, key }, ...placesOf(Reflect.get(value, key))]);
}
