import { posix } from 'node:path';
import { readTexts } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { serviceValues, unitTexts } from '../common/unitFiles.ts';
import { unquoted, wordsOf } from '../common/unitWords.ts';
import { unsupported } from '../common/unsupported.ts';

const program = 'containerd';

/** What a unit says of the configuration that its containerd reads. */
export interface UnitCommand {
  /** The path that it names, through a variable or not; undefined where it names none. */
  config: HostPath | undefined;
  /** How another path is named: lines of [Service] that do nothing else. */
  naming(config: HostPath): string[];
}

const variable = /^(?:\$\{(?<braced>\w+)\}|\$(?<bare>\w+))$/;
const option = /^--?(?:c|config)(?:=(?<value>.*))?$/s;

/**
 * Reads the unit, without the drop-in `without` where one is named. Throws `engine-unsupported` where its command cannot be told or changed:
 * several of them, a shell or a script, a variable that may hold any words.
 */
export async function commandOfUnit(host: HostView, unit: Unit, without?: HostPath): Promise<UnitCommand> {
  const texts = await unitTexts(host, unit, without);
  const commands = serviceValues(texts, 'ExecStart');
  if (commands.length !== 1) throw refused(unit, `has ${commands.length === 0 ? 'no' : commands.length} ExecStart=`);
  const [command = ''] = commands;
  const [start, ...words] = wordsOf(command);
  if (bare([start, ...words].map((word) => word?.text ?? '').join('')) !== bare(command))
    throw refused(unit, 'has a quote without its end');
  const { special = '', binary = '' } = /^(?<special>[-:+!|]*)(?<binary>.*)$/s.exec(start?.value ?? '')?.groups ?? {};
  // After `@` the next word is the name that the program gets, not an option.
  if (binary.startsWith('@') || posix.basename(binary) !== program) throw refused(unit, `starts ${binary}, not ${program} itself`);
  const options = words.flatMap(({ value }, index) => (option.test(value) ? [index] : []));
  if (options.length > 1) throw refused(unit, 'names a configuration more than once');
  const at = options[0] ?? words.length;
  const inside = option.exec(words[at]?.value ?? '')?.groups?.['value'];
  const value = inside ?? words[at + 1]?.value ?? '';
  const others = words.filter((_, index) => index < at || index > at + (inside === undefined ? 1 : 0));
  if (others.some((word) => /^["']?\$(?:\w|\{\w+\})/.test(word.text)))
    throw refused(unit, 'has a variable in its command that may hold any options');
  const reset = (config: HostPath) => {
    const kept = others.map(({ text }) => text);
    kept.splice(options.length === 0 ? 0 : at, 0, `--config ${config}`);
    return ['ExecStart=', `ExecStart=${[start?.text ?? '', ...kept].join(' ')}`];
  };
  if (options.length === 0) return { config: undefined, naming: reset };
  const name = variable.exec(value)?.groups;
  const set = name === undefined ? undefined : (name['braced'] ?? name['bare']);
  // After `:` nothing is expanded.
  const setting = set === undefined || special.includes(':') ? undefined : await settingOf(host, texts, set);
  const config = setting === undefined ? value : setting.config;
  if (config === undefined || !/^\/[^%$*?\\"'\s]*$/.test(config))
    throw refused(unit, `names the configuration ${value}, which is no plain path`);
  // What a file sets wins over Environment=.
  return { config, naming: setting?.filed === false ? (path) => [`Environment=${set}=${path}`] : reset };
}

function bare(text: string): string {
  return text.replace(/\s+/g, '');
}

/** The value of a variable, and whether a file of EnvironmentFile= sets it. */
async function settingOf(host: HostView, texts: readonly string[], name: string): Promise<{ config: string | undefined; filed: boolean }> {
  const paths = serviceValues(texts, 'EnvironmentFile').map((path) => unquoted(path.replace(/^-/, '')));
  // Which files a pattern finds is not known before the start.
  if (paths.some((path) => /[*?[%]/.test(path))) return { config: undefined, filed: true };
  const files = (await readTexts(host, paths)).join('\n');
  const pattern = new RegExp(`^[ \\t]*${name}=(?<value>.*)$`, 'gm');
  const inFile = [...files.matchAll(pattern)].at(-1)?.groups?.['value'];
  if (inFile !== undefined) return { config: unquoted(inFile.trim()), filed: true };
  const words = serviceValues(texts, 'Environment').flatMap((line) => line.match(/"[^"]*"|'[^']*'|\S+/g) ?? []);
  const word = words.map(unquoted).findLast((each) => each.startsWith(`${name}=`));
  return { config: word?.slice(name.length + 1), filed: false };
}

function refused(unit: Unit, why: string): Error {
  return unsupported(
    unit,
    `${unit} ${why}, so that kata-sysext cannot make it read another file; and what it reads is part of the read-only operating system.`,
    'One ExecStart= with containerd itself and at most one --config.',
    `Let ${unit} read a file below /etc: systemctl edit ${unit}; systemctl restart ${unit}`,
  );
}
