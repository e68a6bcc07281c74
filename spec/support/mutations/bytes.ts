import type { Random } from './random.ts';

/** What may be done to a text of any language: by an editor, a copy that broke off, a hand that slipped. */
export const textMutators: ((text: string, random: Random) => string)[] = [
  (text) => text.replaceAll(/\r?\n/g, '\r\n'),
  (text, { below }) => lines(text, (line) => (below(2) === 0 ? line.replace(/\r?\n$/, '\r\n') : line)),
  (text, { once }) => (once(3) ? text.replaceAll(/\r?\n/g, '\r') : text.replace(/\r?\n$/, '\r')),
  (text) => (text.startsWith('\ufeff') ? text : `\ufeff${text}`),
  (text) => text.trimEnd(),
  (text, { below }) => text + '\n'.repeat(1 + below(4)),
  (text, { pick }) => text + pick([' ', '\t', '  \n', '\n\t', '\r', '\u00a0', '\u2028', '\0']),
  (text, { pick, once }) => lines(text, (line) => (once(3) ? line.replace(/(\r?\n|$)/, (end) => pick([' ', '\t', '   ']) + end) : line)),
  (text, { pick }) => lines(text, (line) => (line.trim() === '' ? pick(['\n', '  \n', '\t\n', '\r\n']) : line)),
  (text, { below }) => text.slice(0, below(text.length + 1)),
  (text, { below }) => text.slice(below(text.length + 1)),
  (text, { below }) => {
    const at = below(text.length);
    return text.slice(0, at) + text.slice(at + 1 + below(8));
  },
  (text, { below, pick }) => {
    const at = below(text.length + 1);
    const more = [
      '"',
      "'",
      '"""',
      "'''",
      '[',
      ']',
      '{',
      '}',
      '=',
      ',',
      '.',
      '#',
      ':',
      '\\',
      '\t',
      '\n',
      '\r',
      '\0',
      '\u0001',
      'é',
      '😀',
      '0',
      '-',
    ];
    return text.slice(0, at) + pick(more) + text.slice(at);
  },
  (text, { below }) => {
    const [from, to] = [below(text.length + 1), below(text.length + 1)];
    return text.slice(0, to) + text.slice(from, from + below(60)) + text.slice(to);
  },
  (text) => text + text,
  (text, { below }) => {
    const parts = text.split(/(?<=\n)/);
    parts.splice(below(parts.length), 1);
    return parts.join('');
  },
  (text, { below }) => {
    const parts = text.split(/(?<=\n)/);
    const at = below(parts.length);
    parts.splice(below(parts.length + 1), 0, parts[at] ?? '');
    return parts.join('');
  },
  (text, { below }) => {
    const parts = text.split(/(?<=\n)/);
    const [moved = ''] = parts.splice(below(parts.length), 1);
    parts.splice(below(parts.length + 1), 0, moved);
    return parts.join('');
  },
];

/** Bytes that are no UTF-8 text, or another encoding of it. */
export function brokenBytes(text: string, { below, pick }: Random): Buffer {
  const bytes = Buffer.from(text);
  const at = below(bytes.length + 1);
  const bad = pick([[0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf5, 0x80, 0x80, 0x80]]);
  if (below(4) === 0) return Buffer.from(`\ufeff${text}`, 'utf16le');
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(bad), bytes.subarray(at)]);
}

/** A cut may part a character that has two halves: no file has one of them alone. */
export function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

export function lines(text: string, change: (line: string) => string): string {
  return text
    .split(/(?<=\n)/)
    .map(change)
    .join('');
}
