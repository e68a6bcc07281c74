/** A sentence, a heading, a cell or an item of a list, with the number of the line where its block begins. */
export interface Sentence {
  line: number;
  text: string;
}

interface Block {
  line: number;
  text: string;
}

/** Code, in whatever length, is one word of its sentence. */
export const codeWord = '\uE000';

/** All sentences of a Markdown page. Fenced blocks, comments and addresses are left out. */
export function markdownSentences(page: string): Sentence[] {
  const blocks: Block[] = [];
  let fenced = false;
  let open = false;
  const blanked = page.replace(/<!--.*?-->/gs, (comment) => comment.replace(/[^\n]/g, ''));
  for (const [index, raw] of blanked.split('\n').entries()) {
    const text = raw.trim();
    if (/^(?:```|~~~)/.test(text)) {
      fenced = !fenced;
      open = false;
    } else if (fenced || text === '' || /^\|?[\s|:-]+$/.test(text)) open = false;
    else if (text.startsWith('|')) {
      for (const cell of text.split(/(?<!\\)\|/).slice(1, -1)) blocks.push({ line: index + 1, text: cell });
      open = false;
    } else if (open && !/^(?:[-*+]|\d+\.|#+|>) /.test(text)) blocks.at(-1)!.text += ` ${text}`;
    else {
      blocks.push({ line: index + 1, text: text.replace(/^(?:[-*+]|\d+\.|#+|>) +/, '') });
      // A heading is a block of its own.
      open = !/^#+ /.test(text);
    }
  }
  return blocks.flatMap(({ line, text }) => sentencesIn(line, plain(text)));
}

/** All sentences of a page in man(7). Examples (.nf to .fi) and requests are left out, tags are sentences of their own. */
export function manSentences(page: string): Sentence[] {
  const blocks: Block[] = [];
  let [verbatim, open] = [false, false];
  let tagged = false;
  for (const [index, line] of page.split('\n').entries()) {
    if (line.startsWith('.nf')) verbatim = true;
    if (line.startsWith('.fi')) verbatim = false;
    const isTag = tagged;
    tagged = line === '.TP';
    const isRequest = /^[.']/.test(line);
    if (verbatim || isRequest || isTag || line.trim() === '') open = false;
    else if (open) blocks.at(-1)!.text += ` ${line}`;
    else {
      blocks.push({ line: index + 1, text: line });
      open = true;
    }
  }
  return blocks.flatMap(({ line, text }) => sentencesIn(line, unroffed(text)));
}

/** How many words a sentence has; a sign alone, such as a dash, is none. */
export function wordCount(sentence: string): number {
  return sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}\uE000]/u.test(word)).length;
}

export function sentencesIn(line: number, text: string): Sentence[] {
  return text
    .split(/(?<=[.!?][)”"*]*)\s+(?=[\p{Lu}\p{N}(“"*\uE000])/u)
    .map((each) => ({ line, text: each.replace(/\s+/g, ' ').trim() }))
    .filter((each) => each.text !== '');
}

/** Markdown without its signs: code becomes one word, a link its text. */
function plain(text: string): string {
  return text
    .replace(/`[^`]*`/g, codeWord)
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\*\*|__/g, '');
}

function unroffed(text: string): string {
  return text
    .replace(/\\fB.*?\\fR/g, codeWord)
    .replace(/\\f[BIRP]/g, '')
    .replace(/\\\(cq/g, '’')
    .replace(/\\\([lr]q/g, '"')
    .replace(/\\([-&e])/g, (_all, sign: string) => (sign === '-' ? '-' : ''));
}
