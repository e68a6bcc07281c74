import { posix } from 'node:path';
import { readTexts } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { serviceValues, unitTexts } from '../common/unitFiles.ts';
import { unsupported } from '../common/unsupported.ts';

const program = 'containerd';

/** What a unit says of the configuration that its containerd reads. */
export interface UnitCommand {
  /** The path that it names, through a variable or not; undefined where it names none. */
  config: HostPath | undefined;
  /** How another path is named: lines of [Service] that do nothing else. */
  naming(config: HostPath): string[];
}

/** Any of Go's spellings; the value bare, in quotes, or a variable. */
const flag = /(?<=\s)--?(?:c|config)(?:=|\s+)(?<value>"[^"]*"|'[^']*'|[^\s"']+)(?=\s|$)/g;
const variable = /^(?:\$\{(?<braced>\w+)\}|\$(?<bare>\w+))$/;

/**
 * Reads the unit, without the drop-in `without` where one is named. Throws `engine-unsupported` where its command cannot be told or changed: several of them, a shell
 * or a script, a variable that may hold any words.
 */
export async function commandOfUnit(host: HostView, unit: Unit, without?: HostPath): Promise<UnitCommand> {
  const texts = await unitTexts(host, unit, without);
  const commands = serviceValues(texts, 'ExecStart');
  const [command = ''] = commands;
  if (commands.length !== 1) throw refused(unit, `has ${commands.length === 0 ? 'no' : commands.length} ExecStart=`);
  const first = /^(?<special>[-:+!|]*)(?<binary>"[^"]*"|'[^']*'|\S+)/.exec(command)?.groups;
  const binary = first?.['binary'] ?? '';
  // After `@` the next word is the name that the program gets, not an option.
  if (binary.startsWith('@') || posix.basename(unquoted(binary)) !== program)
    throw refused(unit, `starts ${binary}, not ${program} itself`);
  const found = [...` ${command}`.matchAll(flag)];
  if (found.length > 1) throw refused(unit, 'names a configuration more than once');
  const [match] = found;
  const value = unquoted(match?.groups?.['value'] ?? '');
  const rest = match === undefined ? command : command.replace(match[0], ' ');
  if (/(?:^|\s)["']?\$(?:\w|\{\w+\})/.test(rest)) throw refused(unit, 'has a variable in its command that may hold any options');
  const name = variable.exec(value)?.groups;
  const set = name === undefined ? undefined : (name['braced'] ?? name['bare']);
  const start = `${first?.['special'] ?? ''}${binary}`;
  const exchanged = (config: HostPath) =>
    match === undefined ? `${start} --config ${config}${command.slice(start.length)}` : command.replace(match[0], `--config ${config}`);
  const reset = (config: HostPath) => ['ExecStart=', `ExecStart=${exchanged(config)}`];
  if (set === undefined) {
    const path = match === undefined ? undefined : value;
    if (path !== undefined && !/^\/[^%$\\]*$/.test(path)) throw refused(unit, `names the configuration ${path}, which is no plain path`);
    return { config: path, naming: reset };
  }
  const { config, filed } = await settingOf(host, texts, set);
  if (config === undefined || !config.startsWith('/'))
    throw refused(unit, `takes its configuration from ${set}, which is not set to a path`);
  // What a file sets wins over Environment=.
  return { config, naming: filed ? reset : (path) => [`Environment=${set}=${path}`] };
}

/** The value of a variable, and whether a file of EnvironmentFile= sets it. */
async function settingOf(host: HostView, texts: readonly string[], name: string): Promise<{ config: string | undefined; filed: boolean }> {
  const paths = serviceValues(texts, 'EnvironmentFile').map((path) => unquoted(path.replace(/^-/, '')));
  const files = (await readTexts(host, paths)).join('\n');
  const pattern = new RegExp(`^[ \\t]*${name}=(?<value>.*)$`, 'gm');
  const inFile = [...files.matchAll(pattern)].at(-1)?.groups?.['value'];
  if (inFile !== undefined) return { config: unquoted(inFile.trim()), filed: true };
  const words = serviceValues(texts, 'Environment').flatMap((line) => line.match(/"[^"]*"|'[^']*'|\S+/g) ?? []);
  const word = words.map(unquoted).findLast((each) => each.startsWith(`${name}=`));
  return { config: word?.slice(name.length + 1), filed: false };
}

function unquoted(text: string): string {
  return /^(?<quote>["'])(?<inside>.*)\k<quote>$/s.exec(text)?.groups?.['inside'] ?? text;
}

function refused(unit: Unit, why: string): Error {
  return unsupported(
    unit,
    `${unit} ${why}, so that kata-sysext cannot make it read another file; and what it reads is part of the read-only operating system.`,
    'One ExecStart= with containerd itself and at most one --config.',
    `Let ${unit} read a file below /etc: systemctl edit ${unit}; systemctl restart ${unit}`,
  );
}
