import { posix } from 'node:path';
import { addsExactly } from '../../documents/toml/index.ts';
import { type Finding, pathWord } from '../../errors/index.ts';
import { digestOf } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { refuseForeignFiles } from '../common/complaints.ts';
import { checkEditable, temporaryFolder } from '../common/editable.ts';
import { filesView, type Overlay } from '../common/filesView.ts';
import { missingFolders } from '../common/folders.ts';
import { findingsOf, lookForMarks, type SeenMark, withoutOurs } from '../common/seen.ts';
import { refuseTemplates } from '../common/templates.ts';
import { unsupported } from '../common/unsupported.ts';
import { atLeast, parseVersion } from '../common/version.ts';
import { checkWanted } from '../common/wanted.ts';
import { wiringKey } from '../common/wiringKey.ts';
import type { FileChange, Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { keepAltered, sortWanted } from './foreign.ts';
import { checkShims, crioTable, definitionsOf, handlerLines, handlerTable, isSame, runtimesOf } from './handlers.ts';
import { type ConfigSet, folderOf, loadSet } from './loader.ts';

const dropInName = '50-kata-sysext.conf';
const firstLine = '# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.';

/** See `Engine.plan`: at most one drop-in of kata-sysext in CRI-O's folder. */
export async function planCrio(host: HostView, instance: Instance, wanted: WantedHandler[], recorded?: Wiring): Promise<WiringPlan> {
  checkWanted(wanted);
  checkShims(wanted);
  checkVersion(instance);
  const seen = await lookForMarks(host, recorded);
  const findings = findingsOf(seen);
  if (wanted.length === 0) return removal(host, instance, seen, findings, recorded);
  if (seen.some((one) => one.state === 'altered')) return keepAltered(host, instance, wanted, findings, recorded!);

  const base = withoutOurs(seen);
  const set = await loadSet(host, instance, base);
  if (recorded === undefined) refuseTemplates(set.files);
  const { missing, present } = await sortWanted(host, instance, set, wanted);
  const path = posix.join(await host.realpath(folderOf(instance)), dropInName);
  const text = textOf(missing);
  const paths = missing.length === 0 ? [] : [path];
  await refuseForeignFiles(host, paths, seen);
  checkText(path, text, missing);
  const after: Overlay = new Map([...base, ...paths.map((one): [HostPath, string] => [one, text])]);
  checkResult(path, set, await loadSet(host, instance, after), wanted);

  const kept = recorded?.folders ?? [];
  const makeFolders = await missingFolders(host, paths);
  const folders = [
    ...kept.filter((folder) => paths.some((one) => one.startsWith(`${folder}/`))),
    ...makeFolders.map((folder) => folder.path),
  ];
  return {
    wiring: {
      engine: instance.engine,
      configPath: instance.configPath,
      unit: instance.unit,
      binary: instance.binary,
      method: missing.length === 0 ? 'present' : 'drop-in',
      handlers: wanted,
      marks: paths.map((one) => ({ path: one, kind: 'file', text })),
      folders,
      key: wiringKey({ ...instance, configPath: path }, wanted, 0),
    },
    changes: await changesOf(host, seen, after, text),
    makeFolders,
    dropFolders: kept.filter((folder) => !folders.includes(folder)).reverse(),
    findings: [...findings, ...present],
  };
}

async function removal(
  host: HostView,
  instance: Instance,
  seen: readonly SeenMark[],
  findings: Finding[],
  recorded?: Wiring,
): Promise<WiringPlan> {
  // The drop-in of kata-sysext must be removable even when the files do not load. Without a recorded one, files that do not load are an error.
  if (recorded === undefined) await loadSet(host, instance);
  const dropFolders = [...(recorded?.folders ?? [])].reverse();
  return { changes: await changesOf(host, seen, withoutOurs(seen)), makeFolders: [], dropFolders, findings };
}

function textOf(handlers: readonly WantedHandler[]): string {
  return [firstLine, ...handlers.flatMap((handler) => ['', ...handlerLines(handler)])].map((line) => `${line}\n`).join('');
}

/**
 * runtime_config_path came with 1.22; before it, Kata would read whatever configuration it finds (docs/facts/crio.md#checks-of-a-handler).
 */
function checkVersion(instance: Instance): void {
  const version = parseVersion(instance.version);
  if (!version || atLeast(version, 1, 22)) return;
  throw unsupported(
    instance.configPath,
    `CRI-O is ${instance.version}.`,
    'CRI-O 1.22 or newer: earlier ones know no runtime_config_path.',
    'Update CRI-O.',
  );
}

function checkText(path: HostPath, text: string, handlers: readonly WantedHandler[]): void {
  const table = crioTable(Object.fromEntries(handlers.map((handler) => [handler.name, handlerTable(handler)])));
  if (!addsExactly('', text, table, path)) throw new Error(`the text for ${path} does not say what is wanted`);
}

/** Loads the files as they will be: every wanted handler as wanted, and no other came or went. */
function checkResult(path: HostPath, before: ConfigSet, after: ConfigSet, wanted: readonly WantedHandler[]): void {
  const names = (set: ConfigSet) => new Set(set.files.flatMap((file) => runtimesOf(file.doc.value).map(([name]) => name)));
  const expected = new Set([...names(before), ...wanted.map((handler) => handler.name)]);
  const served = wanted.every((handler) => {
    const [first, ...more] = definitionsOf(after, handler.name);
    return first !== undefined && more.length === 0 && isSame(first.value, handler);
  });
  const found = names(after);
  if (served && found.size === expected.size && [...found].every((name) => expected.has(name))) return;
  throw unsupported(
    path,
    'The files as they would be do not offer exactly the wanted handlers.',
    'A folder to which a drop-in can be added.',
    'Run the command again with --json and send its output to the authors.',
  );
}

/** `text` is the planned content of the drop-in. */
async function changesOf(host: HostView, seen: readonly SeenMark[], after: Overlay, text?: string): Promise<FileChange[]> {
  const view = filesView(host);
  const changes: FileChange[] = [];
  for (const [path, next] of after) {
    const now = (await view.read(path))?.text;
    if (now === (next === 'absent' ? undefined : next)) continue;
    const old = seen.filter((one) => one.mark.path === path && one.state === 'intact').map((one) => one.mark.text);
    await checkEditable(host, path, next === 'absent' || old.length > 0);
    changes.push({
      path,
      before: now === undefined ? 'absent' : digestOf(now),
      after: next === 'absent' ? 'absent' : { text: next },
      foreign: false,
      ours: [...new Set([...(next === 'absent' || text === undefined ? [] : [text]), ...old])],
      tmpDir: next === 'absent' ? posix.dirname(posix.dirname(path)) : await folderForTemporary(host, path),
    });
  }
  return changes;
}

/** Never inside CRI-O's folder: it reads every file there, and a crash must not leave one. A removal needs none. */
async function folderForTemporary(host: HostView, path: HostPath): Promise<HostPath> {
  const read = posix.dirname(path);
  const found = await temporaryFolder(host, path, (folder) => folder === read || folder.startsWith(`${read}/`));
  if (found !== undefined) return found;
  const at = pathWord(host, read);
  throw unsupported(
    read,
    `${read} is a mount of its own.`,
    'A folder beside it on the same mount: CRI-O reads every file in it, also a temporary one.',
    `Let ${read} be an ordinary folder: look at what is mounted there (findmnt -T ${at}), take it away (umount ${at}), and put its files into the folder below it.`,
  );
}
