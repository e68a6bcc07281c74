import { posix } from 'node:path';
import {
  addsExactly,
  insert,
  insertAhead,
  insertAtEnd,
  insertBelowHeader,
  pairIn,
  parseDocument,
  type TomlTable,
  tomlKey,
  valueAt,
  withoutMark,
} from '../../documents/toml/index.ts';
import type { HostView } from '../../host/types.ts';
import { isReadOnlyPlace } from '../common/editable.ts';
import { filesView, type Overlay } from '../common/filesView.ts';
import { cannotTurnOn } from '../common/selinuxSwitch.ts';
import { parseVersion } from '../common/version.ts';
import type { Instance, Mark, SwitchFile, WiringPlan } from '../types.ts';
import { checkSet } from './checks.ts';
import { fileLine } from './edits.ts';
import { type ConfigSet, type LoadedFile, loadSet } from './loader.ts';
import { rangeTarget } from './placement.ts';
import { type Merging, mergingOf, newPlugin, oldPlugin, pluginOf } from './schema.ts';

const key = 'enable_selinux';
const on = `${key} = true`;
const note = 'turned on by kata-sysext (--allow engine-selinux)';
/** What a person writes, as the refusal says it. */
export const switchSetting = `${on} in the table of the CRI plugin`;
/** It sorts right after the file of the handlers, and is read by the same patterns. */
const fileName = 'kata-sysext-selinux.toml';
const handlersFile = 'kata-sysext.toml';

/** See `Engine.selinux.turnOn`: a file beside the handlers' drop-in, else one key in the main file. */
export async function turnOnContainerd(host: HostView, instance: Instance, files: Overlay, plan: WiringPlan): Promise<SwitchFile[]> {
  const version = parseVersion(instance.version);
  const set = await loadSet(filesView(host, files), instance.configPath, version);
  const merging = mergingOf(version, set.schema);
  if (saysOn(set, merging)) return [];
  const marks = plan.wiring?.marks ?? [];
  const dropIn = marks.find(({ kind, path }) => kind === 'file' && posix.basename(path) === handlersFile);
  const file =
    merging === 'unites' && dropIn !== undefined ? besideDropIn(dropIn, set) : await inMain(host, instance, { set, merging, marks });
  const result = await loadSet(filesView(host, new Map([...files, [file.mark.path, file.after]])), instance.configPath, version);
  checkSet(result, instance, host);
  if (saysOn(result, merging)) return [file];
  const winner = lastWithKey(result.files)?.path ?? instance.configPath;
  throw refusal(instance, `${winner} says otherwise, and containerd reads it after ${file.mark.path}`);
}

/** By the file that counts: the last one that has the key; 1.x takes the plugin's table whole from the last file that has it. */
function saysOn(set: ConfigSet, merging: Merging): boolean {
  if (set.files.length === 0) return false;
  return switchIn(lastWithKey(merging === 'unites' ? set.files : [rangeTarget(set)])) === true;
}

function lastWithKey(files: readonly LoadedFile[]): LoadedFile | undefined {
  return files.findLast((file) => switchIn(file) !== undefined);
}

function switchIn(file: LoadedFile | undefined): unknown {
  const value = file?.doc.value;
  return valueAt(value, ['plugins', newPlugin, key]) ?? valueAt(value, ['plugins', oldPlugin, key]);
}

function besideDropIn({ path, text }: Mark, set: ConfigSet): SwitchFile {
  const written = valueAt(parseDocument(text, path).value, ['version']);
  const version = typeof written === 'number' ? [`version = ${written}`] : [];
  const schema = typeof written === 'number' ? written : (set.schema ?? 3);
  const own = [fileLine, `# SELinux labels of all pods, ${note}.`, ...version, '', header(pluginOf(schema)), on];
  const after = own.map((line) => `${line}\n`).join('');
  return { mark: { path: posix.join(posix.dirname(path), fileName), kind: 'file', text: after }, after };
}

function header(plugin: string): string {
  return `[plugins.${tomlKey(plugin)}]`;
}

interface Main {
  set: ConfigSet;
  merging: Merging;
  marks: readonly Mark[];
}

async function inMain(host: HostView, instance: Instance, { set, merging, marks }: Main): Promise<SwitchFile> {
  const target = merging === 'unites' ? set.files[0] : set.files.length === 0 ? undefined : rangeTarget(set);
  if (target === undefined) throw refusal(instance, `${instance.configPath} is not there`);
  if (await isReadOnlyPlace(host, target.real)) throw refusal(instance, `${target.path} is part of the read-only operating system`);
  if (marks.some(({ kind, path }) => kind === 'file' && path === target.real))
    throw refusal(instance, `${target.path} is a file of kata-sysext’s for the handlers alone`);
  const table = ['plugins', pluginOf(set.schema ?? 2)];
  const edited = editOf(target, table);
  if (edited !== undefined) return edited;
  throw refusal(instance, `${target.path} is written in a shape in which the key ${key} cannot be set`);
}

/** The key in its table; where it is off there, ahead of that, whose line becomes a comment. Checked by two parsers; undefined where it cannot be. */
function editOf({ doc, real }: LoadedFile, table: string[]): SwitchFile | undefined {
  const pair = pairIn(doc, table, key);
  const insertion =
    pair === undefined
      ? (insertBelowHeader(doc, table, `${on} # ${note}`) ?? insertAtEnd(doc.text, [header(table[1]!), `${on} # ${note}`]))
      : insertAhead(doc, pair, `${on} # ${note}; before: `);
  const after = insert(doc.text, insertion);
  const added: TomlTable = { plugins: { [table[1]!]: { [key]: true } } };
  try {
    const isExact = addsExactly(doc.text, after, added, real) && withoutMark(after, insertion.text, real) === doc.text;
    return isExact ? { mark: { path: real, kind: 'range', text: insertion.text }, after } : undefined;
  } catch {
    return undefined;
  }
}

function refusal(instance: Instance, why: string): Error {
  return cannotTurnOn('containerd', instance, why, switchSetting);
}
