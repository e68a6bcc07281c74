import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from '../program.ts';

/** A run that a page shows: a block whose first line is `# kata-sysext …`. Below it a line `…` stands for any number of others. */
export interface ShownRun {
  words: string[];
  lines: string[];
}

const block = /^(?<indent> *)```\n *# kata-sysext (?<words>.*)\n(?<lines>[^`]*?)^ *```$/gm;

export function shownRuns(page: string): ShownRun[] {
  return [...readFileSync(join(repo, page), 'utf8').matchAll(block)].map(({ groups }) => ({
    words: groups!['words']!.split(' '),
    lines: groups!
      ['lines']!.split('\n')
      .slice(0, -1)
      .map((line) => line.slice(groups!['indent']!.length)),
  }));
}

/** Throws where a run printed something else than is shown, but for what differs from run to run: sizes, times, the release and its file. */
export function assertShown({ words, lines }: ShownRun, printed: string): void {
  const pattern = lines.map((line) => (line.trim() === '…' ? '(?:.*\n)*?' : `${masked(line).replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}\n`));

  assert.match(
    masked(printed),
    new RegExp(`^${pattern.join('')}$`),
    `${words.join(' ')} printed:\n${printed}\nbut is shown as\n${lines.join('\n')}`,
  );
}

function masked(text: string): string {
  return text
    .replace(/\S*kata-static-\S+\.tar\.zst/g, 'BUNDLE')
    .replace(/\bKata \d\S*/g, 'Kata N')
    .replace(/\b\d+(?:\.\d+)? [kMG]?B\b/g, 'N B')
    .replace(/\b\d+(?:\.\d+)? s\b/g, 'N s');
}
