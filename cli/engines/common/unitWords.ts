import { readTexts } from '../../host/index.ts';
import type { HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { serviceValues } from './unitFiles.ts';

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

/**
 * The variables that a unit sets; files win over Environment= (systemd.exec(5)). Left out are files that a pattern names, and those of other
 * specifiers than the unit's name: which ones they are is known at the start.
 */
export async function environmentOf(host: HostView, unit: Unit, texts: readonly string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const put = (line: string) => {
    const { name, value } = /^(?<name>\w+)=(?<value>.*)$/s.exec(line)?.groups ?? {};
    if (name !== undefined && value !== undefined) found.set(name, unquoted(value.trim()));
  };
  for (const { value } of serviceValues(texts, 'Environment').flatMap(wordsOf)) put(value);
  const name = unit.slice(0, unit.lastIndexOf('.'));
  const paths = serviceValues(texts, 'EnvironmentFile').map((path) => unquoted(path.replace(/^-/, '')).replace(/%[Np]/g, name));
  const files = await readTexts(
    host,
    paths.filter((path) => path.startsWith('/') && !/[*?[%]/.test(path)),
  );
  for (const line of files.join('\n').split('\n')) put(line.trim());
  return found;
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
