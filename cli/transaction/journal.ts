import { errnoOf, KataError } from '../errors/index.ts';
import type { Host, HostPath, HostView } from '../host/index.ts';
import type { Undo, UndoStore } from '../steps/types.ts';
import { damaged, hasDeployment, journalFolder, readJson, schema, wayBack, writeJson } from '../store/index.ts';
import { setChangeMarker, unmark } from './changeMarker.ts';
import { commitEntry, intent as intentShape, type StepEntry, stepEntry } from './shapes.ts';
import { refuseUnknown } from './stepKinds.ts';
import type { Intent } from './types.ts';

/** The folder of one change. Its files appear in this order: intent, step-0 …, commit; the commit record decides everything. */
export function entryFolder(id: number): HostPath {
  return `${journalFolder}/${id}`;
}

/** Ids of the changes that are open or not yet cleaned up. */
export async function openEntries(host: HostView): Promise<number[]> {
  return (await host.readdir(journalFolder))
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** The same for verbs that only read: who may not look into the journal sees no open change. */
export async function readableEntries(host: HostView): Promise<number[]> {
  return openEntries(host).catch((error: unknown) => {
    if (errnoOf(error) === 'EACCES') return [];
    throw error;
  });
}

export async function begin(host: Host, intent: Intent): Promise<void> {
  const folder = entryFolder(intent.id);
  if ((await host.lstat(journalFolder)) === undefined) await host.mkdir(journalFolder, 0o700);
  await host.mkdir(folder, 0o700);
  await host.writeFile(`${folder}/${reserved}`, Buffer.alloc(reservedBytes(intent.steps)), { mode: 0o600 });
  await writeJson(host, `${folder}/intent.json`, intentShape, intent);
  if (intent.steps.length > 0) await setChangeMarker(host, intent);
}

/** The entry waits for another deployment, which is in the middle of the same change. */
export async function handOver(host: Host, intent: Intent, deployment: string): Promise<void> {
  const handed: Intent = { ...intent, deployment };
  if (intent.deployment !== deployment) await writeJson(host, `${entryFolder(intent.id)}/intent.json`, intentShape, handed);
}

/** Room that a change keeps for its own undo: on a disk that ran full meanwhile, files could not be put back without it. */
const reserved = 'reserved-space';
const fillBytes = 128 * 1024;

/** How much room a change with these steps keeps for its undo. */
export function reservedBytes(steps: Intent['steps']): number {
  return fillBytes + 4 * steps.reduce((sum, step) => sum + ('text' in step ? (step.text ?? '').length : 0), 0);
}

/** Before an undo writes anything. */
export function dropReservedSpace(host: Host, id: number): Promise<void> {
  return host.unlink(`${entryFolder(id)}/${reserved}`);
}

/** Refuses what a newer program wrote: a schema, or a kind of step, that is not known here. */
export async function readIntent(host: HostView, id: number): Promise<Intent | undefined> {
  const path = `${entryFolder(id)}/intent.json`;
  const intent = await readJson(host, path, intentShape);
  if (intent === undefined) return undefined;
  if (intent.id !== id) throw damaged(path, `id is ${intent.id}, which is not its place`);
  refuseUnknown(path, intent.steps);
  return intent;
}

export async function writeStep(host: Host, id: number, index: number, undo: Undo): Promise<void> {
  const entry: StepEntry = { schema, index, undo };
  await writeJson(host, `${entryFolder(id)}/step-${index}.json`, stepEntry, entry);
}

export async function readStep(host: HostView, id: number, index: number): Promise<StepEntry | undefined> {
  const path = `${entryFolder(id)}/step-${index}.json`;
  const entry = await readJson(host, path, stepEntry);
  if (entry !== undefined && entry.index !== index) throw damaged(path, `index is ${entry.index}, which is not its place`);
  return entry;
}

/** The one record that commits: a synced rename. */
export async function commit(host: Host, id: number, at: Date): Promise<void> {
  await writeJson(host, commitFile(id), commitEntry, { schema, at: at.toISOString() } as { schema: number });
}

/** A commit whose rename happened but was not synced is taken back before anything is undone: recover believes the record. */
export async function retractCommit(host: Host, id: number): Promise<void> {
  if ((await host.lstat(commitFile(id))) !== undefined) await host.unlink(commitFile(id));
}

/**
 * Removes an entry. One rename first takes it out of the open ones: a half-removed entry must not look like a change that lost its files.
 * `gcStaging` removes what an interrupted removal leaves under the new name.
 */
export async function endEntry(host: Host, id: number): Promise<void> {
  const [folder, ended] = [entryFolder(id), `${entryFolder(id)}.ended`];
  await unmark(host, id);
  await host.removeTree(ended);
  if ((await host.lstat(folder)) === undefined) return;
  await host.rename(folder, ended);
  await host.removeTree(ended);
}

/** Throws `not-restored` when files that the undo of this entry needs are gone: it must neither be guessed nor be dropped. */
export async function refuseIncomplete(host: HostView, id: number, intent: Intent | undefined): Promise<void> {
  const names = await host.readdir(entryFolder(id));
  const numbers = (pattern: RegExp) => names.flatMap((name) => pattern.exec(name)?.[1] ?? []).map(Number);
  const steps = new Set(numbers(/^step-(\d+)\.json$/));
  // A step's undo copies are made before its file.
  const first = [...steps, ...numbers(/^undo-(\d+)\./).map((index) => index - 1)].reduce((most, index) => Math.max(most, index), -1);
  const missing = Array.from({ length: first + 1 }, (_, index) => index).find((index) => !steps.has(index));
  const begun = names.some((name) => /^(step-|undo-|commit\.json$)/.test(name));
  if (intent === undefined ? begun : missing !== undefined)
    throw incomplete(id, intent === undefined ? 'intent.json' : `step-${missing}.json`);
}

function incomplete(id: number, name: string): KataError {
  const folder = entryFolder(id);
  return new KataError('not-restored', {
    subject: folder,
    found: `${folder}/${name} is gone, so what change ${id} did to the host is not known whole`,
    needed: 'the journal as kata-sysext wrote it',
    next: wayBack(folder, name),
  });
}

function commitFile(id: number): HostPath {
  return `${entryFolder(id)}/commit.json`;
}

/** Throws `state-damaged` for a commit record that kata-sysext cannot have written: it does not prove that the change committed. */
export async function isCommitted(host: HostView, id: number): Promise<boolean> {
  if ((await host.lstat(commitFile(id))) === undefined) return false;
  if ((await readJson(host, commitFile(id), commitEntry)) === undefined) throw damaged(commitFile(id), 'it leads nowhere');
  return true;
}

/** Undo copies of step `index`: private, with the attributes of the original. */
export function undoStore(host: Host, id: number, index: number): UndoStore {
  const path = (name: string) => `${entryFolder(id)}/undo-${index}.${name}`;
  return {
    path,
    save: async (name, from) => {
      await host.replaceFile(path(name), await host.readFile(from), `${path(name)}.new`, await host.realpath(from));
    },
  };
}

/** Which machine and deployment this is. */
export interface Place {
  machine: string;
  deployment: string;
}

/**
 * Whose entry it is:
 * - `own`: this deployment's, or made in an offline tree.
 * - `parked`: another deployment's of this machine, which recovers it at its next boot. Its /etc is not this one, unless this /etc was made
 *   from it meanwhile (see `changeMarker.ts`).
 * - `orphan`: a deployment's that is gone, and its /etc with it.
 * - `stranger`: another machine's, or that of a system whose deployments cannot be looked up here.
 */
export type Owner = 'own' | 'parked' | 'orphan' | 'stranger';

export async function ownerOf(host: HostView, intent: Intent, here: Place): Promise<Owner> {
  // A change that was interrupted on an offline tree belongs to whoever boots that tree first.
  if (intent.deployment === 'offline') return 'own';
  if (intent.machine !== here.machine) return 'stranger';
  if (intent.deployment === here.deployment) return 'own';
  if (await hasDeployment(host, intent.deployment)) return 'parked';
  return (await hasDeployment(host, here.deployment)) ? 'orphan' : 'stranger';
}

export function foreignEntry(intent: Intent, here: Place): KataError {
  return new KataError('journal-foreign', {
    subject: entryFolder(intent.id),
    found: `an unfinished ${intent.verb} of machine ${intent.machine}, deployment ${intent.deployment}`,
    needed: `machine ${here.machine}, deployment ${here.deployment}`,
    next: 'boot that deployment and run there: kata-sysext recover',
  });
}
