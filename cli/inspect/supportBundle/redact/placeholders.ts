/** What is replaced, in words for the summary of a report; the key is the placeholder's own word. */
export const kinds = {
  secret: 'passwords, tokens, keys and other credentials',
  host: 'names of hosts and domains',
  ip: 'IP addresses',
  mac: 'hardware addresses',
  user: 'names of users',
  mail: 'mail addresses',
  id: 'identifiers of machines, boots, disks and pods',
  pod: 'names of pods and namespaces',
} as const;

export type Kind = keyof typeof kinds;

export interface Redaction {
  kind: Kind;
  /** How many different values were found. */
  different: number;
  /** How often they were in the text. */
  times: number;
}

/** The mark of a value while the rules work: one character of a private plane, so that no later rule takes a placeholder for text. */
const first = 0xf0000;
const most = 0xfff0;

export interface Placeholders {
  /** The mark of a value: the same for the same value, whatever the case of its letters where that does not count. */
  mark(kind: Kind, value: string): string;
  /** Marks become '<host-1>'; counted here, in the text that is really shown. */
  show(text: string): string;
  counts(): Redaction[];
}

export function placeholders(): Placeholders {
  const marks = new Map<string, number>();
  const labels: { kind: Kind; label: string; times: number }[] = [];
  const numbers = new Map<Kind, number>();
  return {
    mark(kind, value) {
      const key = `${kind} ${kind === 'secret' ? value : value.toLowerCase()}`;
      const known = marks.get(key);
      if (known !== undefined) return String.fromCodePoint(first + known);
      const number = (numbers.get(kind) ?? 0) + 1;
      // The numbers end here: later values share the last one.
      const index = Math.min(labels.length, most);
      if (index === labels.length) {
        numbers.set(kind, number);
        labels.push({ kind, label: `<${kind}-${number}>`, times: 0 });
      }
      marks.set(key, index);
      return String.fromCodePoint(first + index);
    },
    show: (text) =>
      text.replace(/[\u{f0000}-\u{ffffd}]/gu, (mark) => {
        const row = labels[mark.codePointAt(0)! - first];
        if (row === undefined) return '';
        row.times += 1;
        return row.label;
      }),
    counts: () =>
      (Object.keys(kinds) as Kind[]).flatMap((kind) => {
        const shown = labels.filter((row) => row.kind === kind && row.times > 0);
        return shown.length === 0 ? [] : [{ kind, different: shown.length, times: shown.reduce((sum, row) => sum + row.times, 0) }];
      }),
  };
}

/**
 * Text without anything that could hide a value from the rules or act on a terminal: escape sequences, control characters, invisible and
 * turning characters, and the private ones that are used as marks. Line ends stay.
 */
export function cleaned(text: string): string {
  return text
    .replace(escapeSequence, '')
    .replace(/\r\n?/g, '\n')
    .replaceAll('\t', ' ')
    .replace(/(?!\n)[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}]/gu, '');
}

const escapeSequence = new RegExp(
  `${String.fromCharCode(27)}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${String.fromCharCode(7, 27)}]*(?:${String.fromCharCode(7)}|${String.fromCharCode(27)}\\\\)|.)`,
  'g',
);
