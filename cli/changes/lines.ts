import type { FileChange } from '../engines/index.ts';

/** The diff of one file, made of our own texts only: other people's lines may hold secrets and are never shown. */
export function insideLines(change: FileChange): string[] {
  if (change.after === 'absent') return change.ours.flatMap((text) => signed('-', text, 1));
  const { text } = change.after;
  return change.ours.flatMap((ours) => {
    const at = text.indexOf(ours);
    return at < 0 ? signed('-', ours, 0) : signed('+', ours, text.slice(0, at).split('\n').length);
  });
}

function signed(sign: string, text: string, line: number): string[] {
  const lines = text
    .replace(/^\r?\n/, '')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  const head = line === 0 ? [] : [`@@ line ${line} @@`];
  return [...head, ...lines.map((each) => `${sign}${each}`)];
}
