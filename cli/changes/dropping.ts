import type { Digest, HostView } from '../host/index.ts';
import { bytes } from '../report/index.ts';
import {
  type Generation,
  historyFolder,
  idlePrograms,
  type PayloadManifest,
  programPath,
  readPayload,
  storedBytes,
} from '../store/index.ts';
import type { Afterwards } from '../transaction/index.ts';
import type { Plan, PlannedStep } from './types.ts';

/** What a change that removes generations takes off the disk. */
export interface Dropped {
  steps: PlannedStep[];
  freedBytes: number;
}

/** Steps for people: generations, payloads and copies of the program that go, with the bytes that each frees. Reads only. */
export async function whatGoes(host: HostView, all: Generation[], afterwards: Afterwards): Promise<Dropped> {
  const { dropGenerations, dropPayloads, purge } = afterwards;
  const stay = all.filter(({ manifest }) => !dropGenerations.includes(manifest.number));
  const payloads = await Promise.all(dropPayloads.map(async (digest) => payloadRow(digest, await readPayload(host, digest))));
  const idle = await idlePrograms(host, new Set(stay.map(({ manifest }) => manifest.program)));
  const programs = idle.map(({ root, version, sizeBytes }) => ({
    text: `remove the copy of kata-sysext ${version}, ${programPath(root, version)}`,
    sizeBytes,
  }));
  const rows = [...payloads, ...programs];
  const texts = [
    ...dropGenerations.map((number) => `remove generation ${number}`),
    ...rows.map(({ text, sizeBytes }) => `${text} (${bytes(sizeBytes)})`),
    ...(purge && (await host.readdir(historyFolder)).length > 0 ? ['remove the history'] : []),
  ];
  return {
    steps: texts.map((text) => ({ kind: 'drop-folder' as const, text })),
    freedBytes: rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}

function payloadRow(digest: Digest, payload: PayloadManifest | undefined): { text: string; sizeBytes: number } {
  const sizeBytes = payload === undefined ? 0 : storedBytes(payload);
  const release = payload === undefined ? '' : ` of Kata ${payload.release}`;
  return { text: `remove the payload${release}, ${digest}`, sizeBytes };
}

/** The plan of a change that only removes generations. */
export function dropPlan(verb: string, numbers: number[], { steps, freedBytes }: Dropped): Plan {
  return {
    verb,
    steps,
    restarts: [],
    dependents: [],
    gate: [],
    bytesWritten: 0,
    writes: [],
    removedGenerations: numbers,
    freedBytes,
    findings: [],
  };
}
