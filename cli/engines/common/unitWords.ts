/** A word of a command line, as it is written and as the program gets it (but for variables and specifiers). */
export interface Word {
  text: string;
  value: string;
}

/** By the quotes of systemd.syntax(7), one without an end left out; an escape is kept as it is written. Takes a time that grows with the length. */
export function wordsOf(command: string): Word[] {
  const found: Word[] = [];
  let word: Word | undefined;
  const end = () => {
    if (word !== undefined) found.push(word);
    word = undefined;
  };
  const add = (text: string, value: string) => {
    word = { text: `${word?.text ?? ''}${text}`, value: `${word?.value ?? ''}${value}` };
  };
  // Behind a quote that does not end, no other one of its kind does.
  const endless = new Set<string>();
  for (let at = 0; at < command.length; ) {
    const char = command[at]!;
    if (char === '"' || char === "'") {
      const close = endless.has(char) ? -1 : closingQuote(command, at);
      if (close < 0) {
        endless.add(char);
        end();
      } else add(command.slice(at, close + 1), command.slice(at + 1, close));
      at = Math.max(close, at) + 1;
      continue;
    }
    if (/\s/.test(char)) end();
    else add(char, char);
    at += 1;
  }
  end();
  return found;
}

function closingQuote(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += text[at] === '\\' ? 2 : 1) if (text[at] === text[from]) return at;
  return -1;
}

export function unquoted(text: string): string {
  return /^(?<quote>["'])(?<inside>.*)\k<quote>$/s.exec(text)?.groups?.['inside'] ?? text;
}

/** What variables may add to one command, in characters. */
export const maxExpanded = 262_144;

/** The words with their variables as systemd puts them in: `$NAME` alone may become several words. */
export function expandWords(words: readonly Word[], environment: ReadonlyMap<string, string>): string[] {
  let left = maxExpanded;
  const valueFor = (name: string) => {
    const value = environment.get(name) ?? '';
    left -= value.length;
    return left < 0 ? '' : value;
  };
  return words.flatMap(({ value }) => {
    const alone = /^\$(?<name>\w+)$/.exec(value)?.groups?.['name'];
    if (alone !== undefined) return wordsOf(valueFor(alone)).map((word) => word.value);
    return [value.replace(/\$\{(\w+)\}/g, (_, name: string) => valueFor(name))];
  });
}
