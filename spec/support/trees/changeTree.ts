import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, type Host, openHost } from '../../../cli/host/index.ts';
import type { FileStep, Intent, Step } from '../../../cli/transaction/index.ts';
import { listing } from '../judges/listing.ts';
import { scratch } from './treeHost.ts';

export const state = 'var/lib/kata-sysext';

/** A tree with our state folder in it, and the whole port on it. */
export interface ChangeTree {
  root: string;
  host: Host;
  /** Every path but our journal, history and notes of folders. */
  listing(): string[];
}

export function changeTree(): ChangeTree {
  const root = scratch('change');
  for (const folder of ['etc', `${state}/history`, `${state}/generations`, `${state}/payloads`])
    mkdirSync(join(root, folder), { recursive: true });
  return { root, host: openHost(root, {}), listing: () => listing(root, [`${state}/journal`, `${state}/history`]) };
}

export const here = { machine: 'a'.repeat(32), deployment: 'offline' };

export function intentOf(steps: Step[], more: Partial<Intent> = {}): Intent {
  return {
    schema: 1,
    id: 1,
    verb: 'install',
    program: '0.0.0',
    started: '2026-01-01T00:00:00.000Z',
    cause: 'administrator',
    ...here,
    boot: 'a-boot',
    made: false,
    steps,
    afterwards: { records: [], dropGenerations: [], dropPayloads: [], purge: false },
    ...more,
  };
}

/** A step from one text to another; undefined: no file. */
export function fileStep(path: string, before: string | undefined, after: string | undefined, more: Partial<FileStep> = {}): FileStep {
  return {
    kind: 'file',
    path,
    before: before === undefined ? 'absent' : digestOf(before),
    after: after === undefined ? 'absent' : digestOf(after),
    ...(after === undefined ? {} : { text: after }),
    foreign: before !== undefined,
    ours: [],
    temporary: `${path}.temporary`,
    ...more,
  };
}
