import { posix } from 'node:path';
import { commandWord, pathWord } from '../../errors/index.ts';
import { byBytes } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { type Environment, environmentOf, expandVariables } from '../common/unitEnvironment.ts';
import { dropInsOf, type OwnDropIn, serviceValues, unitTexts } from '../common/unitFiles.ts';
import { type Word, wordsOf } from '../common/unitWords.ts';
import { unsupported } from '../common/unsupported.ts';
import type { Instance } from '../types.ts';

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
 * Reads the unit, with a drop-in of kata-sysext's as it would be where that is given. Throws `engine-unsupported` where its command cannot be told or changed:
 * several of them, a shell or a script, a variable that may hold any words.
 */
export async function commandOfUnit(host: HostView, unit: Unit, own?: OwnDropIn): Promise<UnitCommand> {
  const told = await readCommand(host, unit, own);
  if (typeof told !== 'string') return told;
  throw unsupported(
    unit,
    `${unit} ${told}, so that kata-sysext cannot make it read another file; and what it reads is part of the read-only operating system.`,
    needed,
    `Let ${unit} read a file below /etc: ${editing(host, unit)}${host.live ? `; systemctl restart ${commandWord(unit)}` : ''}`,
  );
}

const needed = 'One ExecStart= with containerd itself and at most one --config.';

/**
 * The configuration that the unit's own text names: `--config PATH`, or CONTAINERD_CONFIG where ExecStart expands it (Flatcar). Drop-ins win.
 * undefined where it names none; in words why it cannot be told.
 */
export async function configOfUnit(host: HostView, unit: Unit): Promise<{ config: HostPath | undefined } | string> {
  const told = await readCommand(host, unit);
  if (typeof told !== 'string') return told;
  const texts = await unitTexts(host, unit);
  const written = serviceValues(texts, 'ExecStart').at(-1);
  if (written === undefined) return { config: undefined };
  // A script or the like: what it is called with may still be what containerd gets.
  const start = told === anyOptions ? expandVariables(written, await environmentOf(host, unit, texts)) : written;
  if (start === undefined) return told;
  const config = [...start.matchAll(/\s(?:-c|--config)[\s=](?<path>\/[^\s$%"';&|)]+)(?=["'\s;&|)]|$)/g)].at(-1)?.groups?.['path'];
  // Another program that starts containerd with no option that could name a file, as nice does.
  const rest = written.includes('$') ? undefined : /.*(?:^|[\s"'/])containerd(?=["'\s;]|$)(?<rest>.*)$/s.exec(written)?.groups?.['rest'];
  const isBare = rest !== undefined && !/\s-?-c(?:onfig)?(?:[\s=]|$)/.test(rest);
  return config === undefined && told !== anyOptions && !isBare ? told : { config };
}

const anyOptions = 'has a variable in its command that may hold any options';

/** Throws `engine-unsupported` where containerd does not run, and its unit does not tell which file it will read. */
export async function requireConfigTold(host: HostView, { unit, process }: Pick<Instance, 'unit' | 'process'>): Promise<void> {
  if (unit === undefined || process !== undefined) return;
  const told = await configOfUnit(host, unit);
  if (typeof told !== 'string') return;
  throw unsupported(
    unit,
    `${unit} ${told}, so that kata-sysext cannot tell which configuration containerd will read.`,
    `${needed} On a live host a containerd that runs tells it, too.`,
    `Write ExecStart= in a drop-in: ${editing(host, unit)}`,
  );
}

/** Throws `engine-unsupported` where the unit would not name this configuration, with the drop-in that names it: a later one takes it back. */
export async function requireNamed(host: HostView, unit: Unit, own: Required<OwnDropIn>, config: HostPath): Promise<void> {
  const told = await readCommand(host, unit, own);
  if (typeof told !== 'string' && told.config === config) return;
  const name = posix.basename(own.path);
  const later = await culpritBehind(host, unit, name);
  throw unsupported(
    later,
    typeof told === 'string'
      ? `With ${own.path}, ${unit} ${told}: ${later} is read after it.`
      : `${later} is read after ${own.path}, and lets containerd read ${told.config ?? 'its usual file'} all the same.`,
    `A drop-in of ${unit} that is read last.`,
    // A name with signs of a shell is in no command to paste.
    later === unit || !/^[\w@.:+/-]+$/.test(later)
      ? host.live
        ? `systemctl cat ${commandWord(unit)}`
        : `Look at what there is for ${unit}: ls ${pathWord(host, posix.dirname(own.path))}`
      : `Let it be read before ${name}: ${earlier(host, later, unit)}${host.live ? '; systemctl daemon-reload' : ''}`,
  );
}

/** The last drop-in behind that of kata-sysext which may decide what the unit reads. */
async function culpritBehind(host: HostView, unit: Unit, name: string): Promise<HostPath> {
  let found: HostPath = unit;
  for (const path of await dropInsOf(host, unit)) {
    if (byBytes(posix.basename(path), name) <= 0) continue;
    if (/^\s*(?:ExecStart|Environment|EnvironmentFile|UnsetEnvironment)\s*=/m.test((await host.readText(path, 'configuration')) ?? ''))
      found = path;
  }
  return found;
}

/** The command that lets a drop-in have an earlier name; one of the operating system is copied, and hidden by its name. */
function earlier(host: HostView, path: HostPath, unit: Unit): string {
  const [folder, name] = [posix.dirname(path), posix.basename(path)];
  const at = (place: HostPath) => pathWord(host, place);
  if (path.startsWith('/etc/')) return `mv ${at(path)} ${at(`${folder}/50-${name}`)}`;
  const own = `/etc/systemd/system/${unit}.d`;
  return `mkdir -p ${at(own)}; cp ${at(path)} ${at(`${own}/50-${name}`)}; ln -s /dev/null ${at(`${own}/${name}`)}`;
}

/** How a person writes a drop-in: systemctl edits none of a tree. */
function editing(host: HostView, unit: Unit): string {
  return host.live ? `systemctl edit ${commandWord(unit)}` : pathWord(host, `/etc/systemd/system/${unit}.d/override.conf`);
}

/** In words, after the name of the unit, why its command cannot be told. */
async function readCommand(host: HostView, unit: Unit, own?: OwnDropIn): Promise<UnitCommand | string> {
  const texts = await unitTexts(host, unit, own);
  const commands = serviceValues(texts, 'ExecStart');
  if (commands.length !== 1) return `has ${commands.length === 0 ? 'no' : commands.length} ExecStart=`;
  const [command = ''] = commands;
  const all = wordsOf(command);
  if (bare(all.map(({ text }) => text).join('')) !== bare(command)) return 'has a quote without its end';
  const { special = '', binary = '' } = /^(?<special>[-:+!|]*)(?<binary>.*)$/s.exec(all[0]?.value ?? '')?.groups ?? {};
  // After `@` the next word is the name that the program gets, not an option.
  const start = binary.startsWith('@') ? -1 : programAt(all, binary);
  if (start < 0) return `starts ${binary}, not ${program} itself`;
  const words = all.slice(start + 1);
  const options = words.flatMap(({ value }, index) => (option.test(value) ? [index] : []));
  if (options.length > 1) return 'names a configuration more than once';
  const at = options[0] ?? words.length;
  const inside = option.exec(words[at]?.value ?? '')?.groups?.['value'];
  const value = inside ?? words[at + 1]?.value ?? '';
  const others = words.filter((_, index) => index < at || index > at + (inside === undefined ? 1 : 0));
  if (others.some((word) => /^["']?\$(?:\w|\{\w+\})/.test(word.text))) return anyOptions;
  const reset = (config: HostPath) => {
    const kept = others.map(({ text }) => text);
    kept.splice(options.length === 0 ? 0 : at, 0, `--config ${config}`);
    return ['ExecStart=', `ExecStart=${[...all.slice(0, start + 1).map(({ text }) => text), ...kept].join(' ')}`];
  };
  if (options.length === 0) return { config: undefined, naming: reset };
  // After `:` nothing is expanded.
  return namedConfig({ value, isExpanded: !special.includes(':'), reset }, await environmentOf(host, unit, texts));
}

interface Named {
  value: string;
  isExpanded: boolean;
  reset: UnitCommand['naming'];
}

function namedConfig({ value, isExpanded, reset }: Named, { values, filed, isOpen }: Environment): UnitCommand | string {
  const name = variable.exec(value)?.groups;
  const set = name === undefined ? undefined : (name['braced'] ?? name['bare']);
  const isVariable = set !== undefined && isExpanded;
  const config = !isVariable ? value : isOpen ? undefined : values.get(set);
  if (isVariable && !isOpen && config === undefined) return `names the configuration ${value}, which nothing in its files sets`;
  if (config === undefined || !/^\/[^%$*?\\"'\s]*$/.test(config)) return `names the configuration ${value}, which is no plain path`;
  // What a file sets wins over Environment=.
  return { config, naming: isVariable && !filed.has(set) ? (path) => [`Environment=${set}=${path}`] : reset };
}

/** Which word names containerd: the first one, or the one after `env NAME=VALUE…` (Flatcar). -1 where another program is started. */
function programAt(words: readonly Word[], binary: string): number {
  const first = posix.basename(binary) === 'env' ? words.findIndex(({ value }, index) => index > 0 && !/^\w+=/.test(value)) : 0;
  const named = first === 0 ? binary : (words[first]?.value ?? '');
  return posix.basename(named) === program ? first : -1;
}

function bare(text: string): string {
  return text.replace(/\s+/g, '');
}
