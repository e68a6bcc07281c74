import type { Digest, HostPath, HostView } from '../host/index.ts';
import { bytes } from '../output/index.ts';
import {
  bytesOf,
  type Generation,
  generationBytes,
  historyBytes,
  historyFolder,
  idlePrograms,
  isVacant,
  leftovers,
  payloadBytes,
  programBytes,
  programPath,
  readPayload,
  reservedSpaceFile,
  reservedSpaceIn,
} from '../store/index.ts';
import type { Afterwards, Step } from '../transaction/index.ts';
import { emptyPlan } from './shownPlan.ts';
import type { Plan, PlannedStep } from './types.ts';

/** What a change that removes generations takes off the disk. */
export interface Dropped {
  /** One a generation, payload, copy of the program, …, with its bytes. */
  steps: PlannedStep[];
  /** All of these, and what the change's other steps remove: `st_size` of files, links and folders. */
  freedBytes: number;
}

interface Row {
  text: string;
  sizeBytes: number;
}

/**
 * What goes, for people, with the bytes that each frees: plan and receipt have it from here, before the change. Reads only. The line that
 * the change adds to the history is not taken off.
 *
 * @param others the change's steps outside the folders of kata-sysext
 */
export async function whatGoes(host: HostView, all: Generation[], afterwards: Afterwards, others: Step[] = []): Promise<Dropped> {
  const { dropGenerations, dropPayloads, purge } = afterwards;
  const stay = all.filter(({ manifest }) => !dropGenerations.includes(manifest.number));
  const idle = await idlePrograms(host, new Set(stay.map(({ manifest }) => manifest.program)));
  const outside = removedBy(others);
  const rows: Row[] = [
    ...(await Promise.all(dropGenerations.map((number) => generationRow(host, number)))),
    ...(await Promise.all(dropPayloads.map((digest) => payloadRow(host, digest)))),
    ...(await Promise.all(
      idle.map(async (copy) => ({
        text: `remove the copy of kata-sysext ${copy.version}, ${programPath(copy.root, copy.version)}`,
        sizeBytes: await programBytes(host, copy),
      })),
    )),
    ...(purge && (await host.readdir(historyFolder)).length > 0
      ? [{ text: 'remove the history', sizeBytes: await historyBytes(host) }]
      : []),
    ...(!(await isVacant(host)) && (await isVacant(host, dropGenerations)) ? await lastRows(host, purge, outside) : []),
  ];
  const freed = rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) + (await bytesOf(host, outside)) - grownBy(others);
  return {
    steps: rows.map(({ text, sizeBytes }) => ({ kind: 'drop-folder', text: `${text} (${bytes(sizeBytes)})` })),
    freedBytes: Math.max(0, freed),
  };
}

async function generationRow(host: HostView, number: number): Promise<Row> {
  return { text: `remove generation ${number}`, sizeBytes: await generationBytes(host, number) };
}

async function payloadRow(host: HostView, digest: Digest): Promise<Row> {
  const payload = await readPayload(host, digest);
  const release = payload === undefined ? '' : ` of Kata ${payload.release}`;
  return { text: `remove the payload${release}, ${digest}`, sizeBytes: await payloadBytes(host, digest) };
}

/** What goes with the last generation. */
async function lastRows(host: HostView, purge: boolean, outside: HostPath[]): Promise<Row[]> {
  const rest = (await leftovers(host, { story: !purge })).filter((path) => !outside.includes(path));
  const rows = [
    { text: `remove the reserved room, ${reservedSpaceFile}`, sizeBytes: await reservedSpaceIn(host) },
    { text: 'remove notes and empty folders of kata-sysext', sizeBytes: await bytesOf(host, rest) },
  ];
  return rows.filter(({ sizeBytes }) => sizeBytes > 0);
}

/** What steps remove or replace. */
function removedBy(steps: Step[]): HostPath[] {
  return steps.flatMap((step) => (['file', 'pointer', 'drop-folder'].includes(step.kind) && 'path' in step ? [step.path] : []));
}

/** The bytes of the files that they put into the place of these. */
function grownBy(steps: Step[]): number {
  const texts = steps.map((step) => (step.kind === 'file' && step.after !== 'absent' ? (step.text ?? '') : ''));
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** The plan of a change that only removes generations. */
export function dropPlan(verb: string, numbers: number[], { steps, freedBytes }: Dropped): Plan {
  return { ...emptyPlan(verb), steps, removedGenerations: numbers, freedBytes };
}
