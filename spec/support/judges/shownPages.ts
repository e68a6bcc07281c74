import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { userDocPages } from '../../../scripts/pages/list.ts';
import { repo } from '../program.ts';

export interface Page {
  path: string;
  text: string;
}

/** README and the pages of docs/: what users read of the program. */
export function userPages(): Page[] {
  return ['README.md', ...userDocPages()].map((path) => ({ path, text: readFileSync(join(repo, path), 'utf8') }));
}

export interface ShownLine {
  /** 'docs/getting-started/install.md:27' */
  at: string;
  /** Of the command above it; undefined where the block shows none. */
  verb?: string;
  text: string;
}

const fence = /^(?<indent> *)```(?<language>\w*)\n(?<lines>.*?)^ *```$/gms;
const prompt = /^[#$] (?<command>\S+) ?(?<verb>\S*)/;
/** What only the program prints: these begin a block of output that shows no command. */
const ours = /^ *(?:error|warning): |^[✗✓!·◦●] /m;

/** Lines that a page shows as printed by the program: in blocks without a language, below a command of it, or that look like it. */
export function outputLines({ path, text }: Page): ShownLine[] {
  return [...text.matchAll(fence)].flatMap(({ index, groups }) => {
    const { indent, language, lines } = groups as { indent: string; language: string; lines: string };
    // README's sample is compared whole: spec/commands/try.spec.ts.
    if (lines.startsWith('A throw-away host') || language !== '' || !(/^ *[#$] kata-sysext /m.test(lines) || ours.test(lines))) return [];
    const first = text.slice(0, index).split('\n').length;
    let command: { name?: string; verb?: string } = {};
    return lines.split('\n').flatMap((line, number): ShownLine[] => {
      const shown = line.slice(indent.length);
      const asked = prompt.exec(shown);
      if (asked !== null) command = { name: asked.groups!['command']!, verb: asked.groups!['verb']! };
      const foreign = command.name !== undefined && command.name !== 'kata-sysext';
      if (asked !== null || foreign || ['', '…', '...'].includes(shown.trim().replace(/^[+-]/, ''))) return [];
      return [{ at: `${path}:${first + number + 1}`, ...(command.verb === undefined ? {} : { verb: command.verb }), text: shown }];
    });
  });
}

const code = /^ *```[^\n]*\n(?<block>.*?)^ *```|`(?<span>[^`\n]+)`/gms;

/** All code of a page: the text of each span and fenced block. */
export function codeOf({ text }: Page): string[] {
  return [...text.matchAll(code)].map(({ groups }) => groups!['block'] ?? groups!['span']!);
}

/** Sentences and cells of a page outside of fenced blocks, each without its line breaks. */
export function sentencesOf({ text }: Page): string[] {
  return text
    .replace(/^ *```.*?^ *```$/gms, '')
    .split(/\n(?=\s*(?:\n|[-|#>] ?|\d+\.))|(?<=[.:;!?])\s+(?=[A-Z`])/)
    .map((each) => each.replace(/\s+/g, ' ').trim())
    .filter((each) => each !== '');
}
