import { posix } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { flagOf } from '../../facts/processes.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import type { FilesView } from '../common/filesView.ts';
import { environmentOf } from '../common/unitEnvironment.ts';
import { serviceValues, unitTexts } from '../common/unitFiles.ts';
import { expandWords, wordsOf } from '../common/unitWords.ts';
import { configOptions } from './report.ts';
import type { Distribution } from './types.ts';

/** What the program gets when its unit starts it. */
export interface Start {
  /** Its options, without quotes. */
  args: string[];
  /** Of the unit, as `DATA_DIR` where the program calls it `K3S_DATA_DIR`. */
  variable(name: string): string | undefined;
  /** config.yaml or the file in its place, which need not exist; it has a folder of its name and `.d`. undefined: it is at an address. */
  config: HostPath | undefined;
}

const maxFiles = 100;

/** From the files of a unit: docs/facts/rancher.md#settings. */
export async function startOf(host: HostView, of: Distribution, unit: Unit): Promise<Start> {
  const texts = await unitTexts(host, unit);
  const { values: environment } = await environmentOf(host, unit, texts);
  const args = argsIn(serviceValues(texts, 'ExecStart').at(-1) ?? '', of, environment);
  const prefix = of.facts.name.toUpperCase();
  // An empty variable is none.
  const variable = (name: string) => environment.get(`${prefix}_${name}`) || undefined;
  const named = variable('CONFIG_FILE') ?? flagOf(args, configOptions);
  const config = named === undefined ? `${of.settings}/config.yaml` : posix.resolve('/', named);
  return { args, variable, config: /^https?:/i.test(named ?? '') ? undefined : config };
}

/** The words behind the program; those of a shell's script are split at its quotes. */
function argsIn(command: string, { programs }: Distribution, environment: ReadonlyMap<string, string>): string[] {
  const behind = (words: readonly string[]) => {
    const at = words.findIndex((word) => programs.some((path) => posix.basename(path) === posix.basename(word)));
    return at < 0 ? undefined : words.slice(at + 1);
  };
  return behind(expandWords(wordsOf(command), environment)) ?? behind(command.split(/[\s"';]+/)) ?? [];
}

/** A setting: the command wins over the files, and these over a variable. */
export async function settingOf(view: FilesView, start: Start, names: readonly string[], variable?: string): Promise<string | undefined> {
  const flag = flagOf(start.args, names);
  if (flag !== undefined) return flag;
  const written = await lastWritten(view, start, names);
  return written === undefined ? variable && start.variable(variable) : String(written.value);
}

/** The last of the files that has a setting, in the order in which the program reads them. */
export async function lastWritten(
  view: FilesView,
  { config }: Start,
  names: readonly string[],
): Promise<{ path: HostPath; value: unknown } | undefined> {
  if (config === undefined) return undefined;
  const folder = `${config}.d`;
  const inFolder = (await view.list(folder)).filter((name) => /\.ya?ml$/i.test(name)).slice(0, maxFiles);
  let found: { path: HostPath; value: unknown } | undefined;
  for (const path of [config, ...inFolder.map((name) => `${folder}/${name}`)]) {
    const value = await valueIn((await view.read(path).catch(unlessInterrupted))?.text ?? '', names);
    if (value !== undefined && value !== null) found = { path, value };
  }
  return found;
}

/** What cannot be read, as a folder, has no setting. */
function unlessInterrupted(error: unknown): undefined {
  if (error instanceof KataError && error.code === 'interrupted') throw error;
}

/** By the lines of a text that the parser refuses. */
async function valueIn(yaml: string, names: readonly string[]): Promise<unknown> {
  const { parseYaml } = await import('../../facts/yaml.ts');
  try {
    const value = parseYaml(yaml, { aliases: true });
    return value instanceof Map ? names.map((name) => value.get(name)).find((each) => each !== undefined) : undefined;
  } catch {
    const pattern = new RegExp(`^["']?(?:${names.join('|')})["']?:[ \\t]*["']?([^\\s"'#]+)`, 'gm');
    return [...yaml.matchAll(pattern)].at(-1)?.[1];
  }
}
