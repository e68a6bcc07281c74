import { readTexts } from '../../host/index.ts';
import type { HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { serviceValues } from './unitFiles.ts';
import { unquoted, wordsOf } from './unitWords.ts';

/** What the texts of a unit give a variable, and whether a file of EnvironmentFile= does, which wins over Environment=. */
export interface Variable {
  /** undefined where nothing sets it, or (`filed`) where files that a pattern finds may. */
  value: string | undefined;
  filed: boolean;
}

export async function variableOf(host: HostView, texts: readonly string[], name: string): Promise<Variable> {
  const paths = serviceValues(texts, 'EnvironmentFile').map((path) => unquoted(path.replace(/^-/, '')));
  // Which files a pattern finds is not known before the start.
  if (paths.some((path) => /[*?[%]/.test(path))) return { value: undefined, filed: true };
  const files = (await readTexts(host, paths)).join('\n');
  const pattern = new RegExp(`^[ \\t]*${name}=(?<value>.*)$`, 'gm');
  const inFile = [...files.matchAll(pattern)].at(-1)?.groups?.['value'];
  if (inFile !== undefined) return { value: unquoted(inFile.trim()), filed: true };
  const words = serviceValues(texts, 'Environment').flatMap((line) => line.match(/"[^"]*"|'[^']*'|\S+/g) ?? []);
  const word = words.map(unquoted).findLast((each) => each.startsWith(`${name}=`));
  return { value: word?.slice(name.length + 1), filed: false };
}

/** A command with what its variables hold; undefined where files that a pattern finds may set one. One that nothing sets is no word. */
export async function expandVariables(host: HostView, texts: readonly string[], command: string): Promise<string | undefined> {
  let text = command;
  for (const [, braced, plain] of command.matchAll(/\$(?:\{(\w+)\}|(\w+))/g)) {
    const { value, filed } = await variableOf(host, texts, braced ?? plain ?? '');
    if (value === undefined && filed) return undefined;
    text = text.replace(braced === undefined ? `$${plain}` : `\${${braced}}`, () => value ?? '');
  }
  return text;
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
