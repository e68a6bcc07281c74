import { posix } from 'node:path';
import { type TomlTable, tomlKey, valueAt } from '../../documents/toml/index.ts';
import { commandWord, type Finding, KataError } from '../../errors/index.ts';
import { digestOf } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Engine } from '../contract.ts';
import type { EffectiveDiff, FileChange, Instance, Mark, SwitchFile, Wiring, WiringPlan } from '../types.ts';
import { refuseForeignFiles } from './complaints.ts';
import { checkEditable, temporaryFolder } from './editable.ts';
import { filesView, type Overlay } from './filesView.ts';
import { missingFolders } from './folders.ts';
import { lookForMarks, type SeenMark, withoutOurs } from './seen.ts';
import { unsupported } from './unsupported.ts';

/** The one way to turn the switch on: as `--allow` takes it. */
export const switchCode = 'engine-selinux';

/** Whether an engine with this effective configuration gives pods labels. */
export function setsLabels({ selinux }: Pick<Engine, 'selinux'>, dump: TomlTable): boolean {
  const said = selinux.keys.map((keys) => valueAt(dump, keys)).filter((value) => typeof value === 'boolean');
  return said.length === 0 ? selinux.byDefault : said.includes(true);
}

/** A comparison of two dumps without the switch, which a plan may name. */
export function exceptSwitch<D extends Pick<EffectiveDiff, 'others'>>({ selinux }: Pick<Engine, 'selinux'>, diff: D): D {
  const own = selinux.keys.map((keys) => keys.map(tomlKey).join('.'));
  return { ...diff, others: diff.others.filter((path) => !own.includes(path)) };
}

/** What the dump would say once the switch is on. */
export function withLabels({ selinux }: Pick<Engine, 'selinux'>, dump: TomlTable): TomlTable {
  const [keys = []] = selinux.keys;
  const copy: TomlTable = Object.create(null);
  let at = copy;
  for (const key of keys.slice(0, -1)) at = at[key] = Object.create(null) as TomlTable;
  at[keys.at(-1)!] = true;
  return merged(dump, copy);
}

function merged(base: TomlTable, more: TomlTable): TomlTable {
  const result: TomlTable = Object.assign(Object.create(null), base);
  for (const [key, value] of Object.entries(more)) {
    const old = result[key];
    result[key] = typeof value === 'object' && typeof old === 'object' ? merged(old as TomlTable, value as TomlTable) : value;
  }
  return result;
}

/** What a change wants of the switch, and what an earlier one did. */
export interface SwitchRequest {
  on: boolean;
  /** This very command allows it. Without it, an edit of another program in the recorded text means no. */
  consent: boolean;
  recorded: Wiring['selinux'];
}

/**
 * A plan with the edits of the switch after those of the handlers: each is a change of its own, also in one file. Throws `engine-unsupported`
 * where kata-sysext cannot turn it on; where the files say already that it is on, nothing is added. Reads only.
 */
export async function withSwitch(
  host: HostView,
  { engine, instance }: { engine: Engine; instance: Instance },
  plan: WiringPlan,
  { on, consent, recorded }: SwitchRequest,
): Promise<WiringPlan> {
  if (!on && recorded === undefined) return plan;
  const files: Overlay = new Map(plan.changes.map(({ path, after }) => [path, after === 'absent' ? after : after.text]));
  const seen = await lookForMarks(host, recorded, files);
  const base: Overlay = new Map([...files, ...withoutOurs(seen)]);
  const reading = { ...instance, configPath: plan.reads ?? instance.configPath };
  const keeps = on && (consent || seen.every(isIntact));
  const { wanted, without } = await wantedFiles(keeps && plan.wiring !== undefined, consent, async () => {
    const files = await turnedOn(host, engine, reading, base, plan);
    await refuseForeignFiles(
      host,
      files.flatMap(({ mark }) => (mark.kind === 'file' ? [mark.path] : [])),
      seen,
    );
    return files;
  });
  const after: Overlay = new Map([...base, ...wanted.map((file): [HostPath, string] => [file.mark.path, file.after])]);
  const folders = await foldersFor(host, plan, wanted, recorded);
  const changes = await changesBetween(host, files, after, [...seen.filter(isIntact).map(({ mark }) => ({ mark })), ...wanted]);
  const marks = wanted.map(({ mark }) => mark);
  return {
    ...plan,
    wiring: plan.wiring === undefined ? undefined : wiringWith(plan.wiring, marks, folders.kept),
    selinux: marks.length === 0 ? (recorded === undefined ? plan.selinux : 'goes') : changes.length > 0 ? 'comes' : 'stays',
    changes: [...plan.changes, ...changes],
    makeFolders: [...plan.makeFolders, ...folders.made],
    dropFolders: [...plan.dropFolders, ...folders.dropped],
    findings: [
      ...plan.findings,
      ...lost(seen, keeps),
      ...without,
      ...(marks.length > 0 && changes.length > 0 ? [turning(engine, reading)] : []),
    ],
  };
}

/** What was allowed by an earlier command is no reason to refuse this one: then the labels stay off, and that is said. */
async function wantedFiles(
  wants: boolean,
  consent: boolean,
  turnOn: () => Promise<SwitchFile[]>,
): Promise<{ wanted: SwitchFile[]; without: Finding[] }> {
  if (!wants) return { wanted: [], without: [] };
  try {
    return { wanted: await turnOn(), without: [] };
  } catch (error) {
    if (consent || !(error instanceof KataError)) throw error;
    const { subject, found: why, needed } = error.finding();
    const found = `an earlier command turned on SELinux labels, which cannot be kept (${why.replace(/\.$/, '')})`;
    const next = 'write the setting yourself; until then pods run without labels of their own';
    return { wanted: [], without: [{ code: switchCode, level: 'warning', subject, found, needed, next }] };
  }
}

/** A planner may have taken over the recorded wiring, with what was the switch there. */
function wiringWith({ selinux: _was, ...wiring }: Wiring, marks: Mark[], folders: HostPath[]): Wiring {
  return marks.length === 0 ? wiring : { ...wiring, selinux: { marks, folders } };
}

function isIntact({ state }: SeenMark): boolean {
  return state === 'intact';
}

async function turnedOn(host: HostView, engine: Engine, instance: Instance, files: Overlay, plan: WiringPlan): Promise<SwitchFile[]> {
  const { selinux, title } = engine;
  if (selinux.turnOn !== undefined) return selinux.turnOn(host, instance, files, plan);
  if (await isOn(host, engine, instance)) return [];
  throw cannotTurnOn(title, instance, `no file of kata-sysext’s can turn on the SELinux labels of ${title}`, selinux.setting);
}

/** By the engine's own dump, on a tree by its files. What cannot be read is not on. */
async function isOn(host: HostView, engine: Engine, instance: Instance): Promise<boolean> {
  if (host.booted) {
    const effective = await engine.dump?.dumpEffective(host, instance).catch(() => undefined);
    return effective !== undefined && setsLabels(engine, effective);
  }
  const tables = (await engine.readSettings?.(host, instance).catch(() => [])) ?? [];
  const [said] = tables.filter((table) => engine.selinux.keys.some((keys) => typeof valueAt(table, keys) === 'boolean')).slice(-1);
  return said !== undefined && setsLabels(engine, said);
}

/** engine-unsupported for a switch that a person has to turn. */
export function cannotTurnOn(title: string, { unit, configPath, process }: Instance, why: string, setting: string): Error {
  const applied = unit === undefined ? ` start ${title} with it;` : process === undefined ? '' : ` systemctl restart ${commandWord(unit)};`;
  return unsupported(
    configPath,
    `--allow ${switchCode}: ${why}.`,
    `SELinux labels that you turn on yourself: ${setting}.`,
    `Write ${setting};${applied} then run the command without --allow ${switchCode}.`,
  );
}

/** One for each file that differs, from what the handlers' part of the plan leaves. */
async function changesBetween(
  host: HostView,
  files: Overlay,
  after: Overlay,
  texts: readonly Partial<SwitchFile>[],
): Promise<FileChange[]> {
  const view = filesView(host, files);
  const changes: FileChange[] = [];
  for (const [path, text] of after) {
    const now = (await view.read(path))?.text;
    if (now === (text === 'absent' ? undefined : text)) continue;
    const own = texts.filter(({ mark }) => mark?.path === path);
    // Those without a text to come are recorded ones.
    const mayPart = text === 'absent' || own.some(({ after }) => after === undefined);
    if (!files.has(path)) await checkEditable(host, path, mayPart);
    const mode = own.find((each) => each.mode !== undefined)?.mode;
    const folder = posix.dirname(path);
    changes.push({
      path,
      before: now === undefined ? 'absent' : digestOf(now),
      after: text === 'absent' ? text : { text },
      mode,
      foreign: own.some(({ mark }) => mark?.kind === 'range'),
      ours: [...new Set(own.flatMap(({ mark }) => (mark === undefined ? [] : [mark.text])))],
      tmpDir: (await temporaryFolder(host, path, (at) => at === folder || at.startsWith(`${folder}/`))) ?? folder,
    });
  }
  return changes;
}

async function foldersFor(
  host: HostView,
  plan: WiringPlan,
  wanted: readonly SwitchFile[],
  recorded: Wiring['selinux'],
): Promise<{ made: WiringPlan['makeFolders']; kept: HostPath[]; dropped: HostPath[] }> {
  const missing = await missingFolders(
    host,
    wanted.map(({ mark }) => mark.path),
  );
  const made = missing.filter(({ path }) => !plan.makeFolders.some((folder) => folder.path === path));
  const earlier = recorded?.folders ?? [];
  const needed = (folder: HostPath) => wanted.some(({ mark }) => mark.path.startsWith(`${folder}/`));
  const dropped = earlier.filter((folder) => !needed(folder)).reverse();
  return { made, kept: [...earlier.filter(needed), ...made.map(({ path }) => path)], dropped };
}

/** Edits of another program in the text of the switch: they stay, and so do the labels as that program has them, unless they come again now. */
function lost(seen: readonly SeenMark[], comes: boolean): Finding[] {
  return seen.flatMap(({ mark, state }) => {
    if (state === 'intact' || comes) return [];
    return {
      code: 'foreign-edit',
      level: 'warning' as const,
      subject: mark.path,
      found: `kata-sysext turned on SELinux labels in ${mark.path}, and another program or user changed that text; it stays as it is`,
      needed: 'the exact text that was recorded, to take it out without guessing',
      next: `Look at ${mark.path}, and turn the labels off there if they are no longer wanted.`,
    };
  });
}

function turning({ title }: Engine, { configPath }: Instance): Finding {
  return {
    code: switchCode,
    level: 'warning',
    subject: configPath,
    found: `the change turns on SELinux labels of ${title}, for every pod of the node: pods that start from then on run in their own domain`,
    needed: 'nothing: it was allowed',
    next: 'check pods that use folders of the host (hostPath): they need a label that containers may use',
  };
}
