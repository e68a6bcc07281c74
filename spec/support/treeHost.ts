import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FIRST, SECOND, tinyRelease } from '../lab/release/index.ts';
import { copyTree, makeTree, type TreeName } from './hostTrees.ts';
import { fingerprint } from './fingerprint.ts';
import { json, type Ran, type RunOptions, run } from './program.ts';

/** An offline host tree in a temporary folder, and the program run on it. */
export interface TreeHost {
  root: string;
  /** `--root … --engine …` */
  flags: string[];
  path(inside: string): string;
  /** Runs a verb on the tree; throws when it does not end with `wanted`. Gives the JSON object, checked against its schema. */
  json(args: string[], wanted?: number, options?: RunOptions): Promise<Record<string, unknown>>;
  run(args: string[], options?: RunOptions): Promise<Ran>;
  fingerprint(leaveOut?: string[]): string[];
  /** A second tree with the same content: what it costs to begin again. */
  copy(): TreeHost;
  remove(): void;
}

/** Verbs that only read take no --engine. */
const reading = new Set(['status', 'history', 'diff', 'verify', 'explain']);

/** What a settled change may leave besides the old or the new generation: the story, and the lock file while Kata is installed. */
export const story = ['var/lib/kata-sysext/history', 'var/lib/kata-sysext/lock'];

export function treeHost(name: TreeName, prepare: (root: string) => void = () => undefined): TreeHost {
  const root = scratch(name);
  const engine = makeTree(name, root);
  prepare(root);
  return hostAt(root, engine);
}

function hostAt(root: string, engine: string): TreeHost {
  const all = (args: string[]) => [...args, '--root', root, ...(reading.has(args[0] ?? '') ? [] : ['--engine', engine])];
  return {
    root,
    flags: ['--root', root, '--engine', engine],
    path: (inside) => join(root, inside),
    json: (args, wanted, options) => json(all(args), wanted, options),
    run: (args, options) => run(all(args), options),
    fingerprint: (leaveOut) => fingerprint(root, ['.'], leaveOut),
    copy: () => {
      const other = scratch('copy');
      copyTree(root, other);
      return hostAt(other, engine);
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** A folder in the temporary folder of this run; whoever makes it removes it. */
export function scratch(name: string): string {
  return mkdtempSync(join(tmpdir(), `kata-sysext-${name}-`));
}

let made: Promise<{ first: string; second: string }> | undefined;

/** Two tiny releases, made once for a run: their paths. */
export function releases(): Promise<{ first: string; second: string }> {
  made ??= (async () => {
    const folder = scratch('releases');
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    return { first: await tinyRelease(folder, { version: FIRST }), second: await tinyRelease(folder, { version: SECOND }) };
  })();
  return made;
}
