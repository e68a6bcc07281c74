import { dropMade, makeMissing } from '../backends/index.ts';
import { type Finding, pathWord } from '../errors/index.ts';
import { digestOf, type HostPath, type HostView } from '../host/index.ts';
import type { FileStep, ModulesStep, Step } from '../transaction/index.ts';
import { type SeenModule, seenModules } from './findings.ts';
import { moduleTable, type Use } from './table.ts';

const fileName = 'kata-sysext.conf';
const hostFolder: HostPath = '/etc/modules-load.d';
/** Of an OS image: the next image brings its own, whatever the merge of /etc keeps; a file in /etc of the same name hides it. */
const imageFolder: HostPath = '/usr/lib/modules-load.d';
const head = '# kata-sysext: kernel modules of its handlers, loaded at each boot; an uninstall removes this file\n';

/** How long modprobe gets for one module. */
const modprobeMs = 30_000;

export interface ModulePlan {
  /** Loads them, before anything needs them. */
  load: Step[];
  /** The file that keeps them, or its removal. */
  keep: Step[];
  /** Of its file, for the plan: the lines that go and come. */
  diff: Map<Step, string[]>;
  findings: Finding[];
}

/** Where a change of a host, or of the tree of an image, keeps the names of its modules. */
export function modulesFile({ image }: Pick<HostView, 'image'>): HostPath {
  return `${image ? imageFolder : hostFolder}/${fileName}`;
}

/**
 * The steps for the modules that are wanted: the file that systemd-modules-load.service reads, and on a live host one step that loads what
 * is not there. `undefined`: the file goes. Other programs may use a loaded module, so it stays until the next boot.
 *
 * @param place false: a file that is not there is not made, and none is changed (at a boot)
 */
export async function planModules(host: HostView, use: Use | undefined, place = true): Promise<ModulePlan> {
  const path = modulesFile(host);
  const theirs = await foreign(host, path);
  if (use === undefined) {
    if (theirs === undefined) return { ...nothing(), keep: await removal(host, path) };
    return { ...nothing(), findings: theirs.edited ? [editedFile(host, path, theirs)] : [] };
  }
  if (!place) return nothing();
  const seen = await seenModules(host, use);
  const kept = seen.filter(isKept).map(({ row }) => row.name);
  const load = loadStep(host, seen);
  const lost = kept.filter((name) => theirs?.lines.includes(name) === false);
  if (theirs !== undefined) return { ...nothing(), load, findings: lost.length > 0 ? [theirFile(path, theirs, lost)] : [] };
  if (kept.length === 0) return { ...nothing(), load, keep: await removal(host, path) };
  const file = await fileStep(host, path, `${head}${kept.join('\n')}\n`);
  const diff = new Map<Step, string[]>();
  for (const step of file) diff.set(step, await shownLines(host, step));
  const folders = file.length > 0 ? await makeMissing(host, folderOf(path)) : [];
  return { load, keep: [...folders, ...file], diff, findings: [] };
}

function nothing(): ModulePlan {
  return { load: [], keep: [], diff: new Map(), findings: [] };
}

/** systemd-modules-load.service fails for a module that no kernel has, and a host with a failed unit counts as degraded. */
function isKept({ state: { atBoot, keptOut } }: SeenModule): boolean {
  return keptOut === undefined && (atBoot === 'as a module' || atBoot === 'unknown');
}

function loadStep(host: HostView, seen: SeenModule[]): ModulesStep[] {
  if (!host.live) return [];
  const names = seen.filter(({ state: { now, keptOut } }) => now === 'loadable' && keptOut === undefined).map(({ row }) => row.name);
  return names.length === 0 ? [] : [{ kind: 'modules', names, deadlineMs: modprobeMs }];
}

async function removal(host: HostView, path: HostPath): Promise<Step[]> {
  const steps = await fileStep(host, path, 'absent');
  return steps.length === 0 ? [] : [...steps, ...(await dropMade(host, folderOf(path)))];
}

interface Theirs {
  /** In words what is at the path of the file. */
  found: string;
  next: string;
  lines: string[];
  /** Once of kata-sysext. */
  edited: boolean;
  isFile: boolean;
}

/**
 * What is at the path of the file and cannot be replaced: another program's file, a file with lines of another program, or a read-only file
 * system.
 */
async function foreign(host: HostView, path: HostPath): Promise<Theirs | undefined> {
  const folder = folderOf(path);
  const [kind, there] = [(await host.stat(folder))?.kind, await host.lstat(path)];
  const text = there?.kind === 'file' ? ((await host.readText(path, 'configuration').catch(() => undefined)) ?? '') : '';
  const lines = text.split('\n').map((line) => line.trim());
  const fromProgram = text.startsWith('# kata-sysext:');
  // No program but kata-sysext has this name: what became a link, a folder or a device counts as edited.
  const isFile = there === undefined || there.kind === 'file';
  const theirs = {
    lines,
    isFile,
    edited: fromProgram || !isFile,
    next: `mv ${pathWord(host, path)} ${pathWord(host, `${path}.old`)}; then run the command again`,
  };
  if (kind !== undefined && kind !== 'directory')
    return { ...theirs, found: `${folder} is no folder`, next: `ls -ld ${pathWord(host, folder)}` };
  if (kind !== undefined && !(await host.canWrite(folder)))
    return { ...theirs, found: `${folder} is read-only`, next: `findmnt -T ${pathWord(host, folder)}` };
  if (there === undefined) return undefined;
  if (!isFile) return { ...theirs, found: `${path} is ${there.kind === 'symlink' ? 'a link' : 'no regular file'}` };
  if (!fromProgram) return { ...theirs, found: `${path} is no file of kata-sysext` };
  const isOwn = (line: string) => line === '' || moduleTable.some(({ name }) => name === line);
  return lines.slice(1).every(isOwn) ? undefined : { ...theirs, found: `${path} was edited` };
}

function editedFile(host: HostView, path: HostPath, { found, isFile }: Theirs): Finding {
  const needed = 'the file as kata-sysext wrote it, to remove it';
  return {
    code: 'foreign-file',
    level: 'warning',
    subject: path,
    found: `${found}; it stays`,
    needed,
    next: isFile ? `cat ${pathWord(host, path)}; rm ${pathWord(host, path)}` : `ls -ld ${pathWord(host, path)}`,
  };
}

function theirFile(path: HostPath, { found, next }: Theirs, names: string[]): Finding {
  return {
    code: 'foreign-file',
    level: 'warning',
    subject: path,
    found: `${found}; it stays, and does not keep ${names.join(', ')} loaded over a boot`,
    needed: `${path} free, or these names in a file of modules-load.d`,
    next,
  };
}

async function fileStep(host: HostView, path: HostPath, text: string | 'absent'): Promise<FileStep[]> {
  const before = (await host.lstat(path)) === undefined ? 'absent' : ((await host.digest(path)) ?? 'absent');
  const after = text === 'absent' ? 'absent' : digestOf(text);
  if (before === after) return [];
  // systemd reads only names that end with .conf there.
  const temporary = `${folderOf(path)}/.new-kata-sysext.tmp`;
  return [{ kind: 'file', path, before, after, text: text === 'absent' ? undefined : text, foreign: false, ours: [], temporary }];
}

async function shownLines(host: HostView, { path, text = '' }: FileStep): Promise<string[]> {
  const names = (whole: string) => whole.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const [before, after] = [names((await host.readText(path)) ?? ''), names(text)];
  return [
    ...before.filter((name) => !after.includes(name)).map((name) => `-${name}`),
    ...after.filter((name) => !before.includes(name)).map((name) => `+${name}`),
  ];
}

function folderOf(path: HostPath): HostPath {
  return path.slice(0, path.lastIndexOf('/'));
}
