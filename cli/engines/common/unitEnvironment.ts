import { readSmall } from '../../facts/smallFile.ts';
import type { HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { readEnvironmentFile } from './environmentFile.ts';
import { serviceValues } from './unitFiles.ts';
import { maxExpanded, unquoted, wordsOf } from './unitWords.ts';

/** The variables that a unit sets, as far as its files tell. */
export interface Environment {
  values: ReadonlyMap<string, string>;
  /** Set by a file of EnvironmentFile=, which wins over Environment= (systemd.exec(5)). */
  filed: ReadonlySet<string>;
  /** A file that cannot be read, or that only a start tells (a pattern, a specifier other than the unit's name), may set any. */
  isOpen: boolean;
}

/** A path, an option or a name is shorter; values may come from anybody who writes a unit. */
const maxValue = 4096;
/** Of all files together; what is behind it is as if it could not be read. */
const most = { files: 64, chars: 1024 * 1024 };

export async function environmentOf(host: HostView, unit: Unit, texts: readonly string[]): Promise<Environment> {
  const values = new Map<string, string>();
  const filed = new Set<string>();
  let isOpen = false;
  const put = (name: string, value: string) => {
    if (value.length <= maxValue) values.set(name, value);
    else {
      // It takes an earlier value away as well.
      values.delete(name);
      isOpen = true;
    }
  };
  for (const word of serviceValues(texts, 'Environment').flatMap(wordsOf)) {
    const { name, value = '' } = /^(?<name>\w+)=(?<value>.*)$/s.exec(word.value)?.groups ?? {};
    if (name !== undefined) put(name, unquoted(value.trim()));
  }
  const name = unit.slice(0, unit.lastIndexOf('.'));
  const paths = serviceValues(texts, 'EnvironmentFile').map((path) => unquoted(path.replace(/^-/, '')).replace(/%[Np]/g, name));
  isOpen ||= paths.length > most.files;
  let left = most.chars;
  for (const path of paths.slice(0, most.files)) {
    const read = path.startsWith('/') && !/[*?[%]/.test(path) ? await readSmall(host, path) : undefined;
    if (read === undefined || read.kind === 'unread') isOpen = true;
    if (read?.kind !== 'text') continue;
    left -= read.text.length;
    if (left < 0) {
      isOpen = true;
      break;
    }
    const file = readEnvironmentFile(read.text);
    isOpen ||= file.isOpen;
    for (const { name: set, value } of file.set) {
      put(set, value);
      filed.add(set);
    }
  }
  for (const { value } of serviceValues(texts, 'UnsetEnvironment').flatMap(wordsOf)) {
    const [unset = '', ...rest] = value.split('=');
    if (rest.length === 0 || values.get(unset) === rest.join('=')) values.delete(unset);
  }
  return { values, filed, isOpen };
}

/** A command with what its variables hold; undefined where it names one that only a start tells. One that nothing sets is no word. */
export function expandVariables(command: string, { values, isOpen }: Environment): string | undefined {
  let isTold = true;
  let left = maxExpanded;
  const text = command.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, plain?: string) => {
    const value = values.get(braced ?? plain ?? '');
    left -= value?.length ?? 0;
    if ((value === undefined && isOpen) || left < 0) isTold = false;
    return isTold ? (value ?? '') : '';
  });
  return isTold ? text : undefined;
}
