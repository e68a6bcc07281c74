/** A word of a command line, as it is written and as the program gets it (but for variables and specifiers). */
export interface Word {
  text: string;
  value: string;
}

/** By the quotes of systemd.syntax(7); an escape is kept as it is written. */
export function wordsOf(command: string): Word[] {
  const found = command.match(/(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"']+)+/gs) ?? [];
  return found.map((text) => ({ text, value: text.replace(/"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'/gs, '$1$2') }));
}

export function unquoted(text: string): string {
  return /^(?<quote>["'])(?<inside>.*)\k<quote>$/s.exec(text)?.groups?.['inside'] ?? text;
}

/** The words with their variables as systemd puts them in: `$NAME` alone may become several words. */
export function expandWords(words: readonly Word[], environment: ReadonlyMap<string, string>): string[] {
  const valueFor = (name: string) => environment.get(name) ?? '';
  return words.flatMap(({ value }) => {
    const alone = /^\$(?<name>\w+)$/.exec(value)?.groups?.['name'];
    if (alone !== undefined) return wordsOf(valueFor(alone)).map((word) => word.value);
    return [value.replace(/\$\{(\w+)\}/g, (_, name: string) => valueFor(name))];
  });
}
