import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { FIRST, SECOND, tinyRelease } from '../../lab/release/index.ts';
import { runInProcess } from '../inProcess.ts';
import { listing } from '../judges/listing.ts';
import { checkJson } from '../judges/schemas.ts';
import type { Ran } from '../program.ts';
import { makeTree, type TreeName } from './hostTrees.ts';
import { scratch } from './treeHost.ts';

/** An offline host tree, and the program run on it in this process: needs nothing but Node, and no root. */
export interface InProcessTree {
  root: string;
  path(inside: string): string;
  run(args: string[], env?: Record<string, string>): Promise<Ran>;
  /** The JSON object of a verb, checked against its schema; throws when it does not end with `wanted`. */
  json(args: string[], wanted?: number, env?: Record<string, string>): Promise<Record<string, unknown>>;
  /** Everything in the tree but the story (history, lock, the room that is reserved). */
  listing(more?: string[]): string[];
  copy(): InProcessTree;
  remove(): void;
}

const story = ['history', 'lock', 'ballast'].map((name) => `var/lib/kata-sysext/${name}`);
/** Verbs that take no --engine. */
const reading = new Set(['status', 'history', 'diff', 'verify', 'explain', 'report', 'inspect']);

export function inProcessTree(
  name: TreeName,
  prepare: (root: string) => void = () => undefined,
  engine?: string | string[],
): InProcessTree {
  const root = scratch(name);
  const own = makeTree(name, root);
  prepare(root);
  return treeAt(root, engine ?? own);
}

function treeAt(root: string, engine: string | string[]): InProcessTree {
  const engines = [engine].flat().flatMap((each) => ['--engine', each]);
  const run: InProcessTree['run'] = (args, env = {}) =>
    runInProcess([...args, '--root', root, ...(reading.has(args[0]!) ? [] : engines)], { env });
  return {
    root,
    path: (inside) => join(root, inside),
    run,
    json: async (args, wanted = 0, env = {}) => {
      const { status, stdout, stderr } = await run([...args, '--json', '--progress', 'none'], env);
      if (status !== wanted) throw new Error(`${args.join(' ')} ended with ${status}, not ${wanted}:\n${stdout}\n${stderr}`);
      const value = JSON.parse(stdout) as Record<string, unknown>;
      checkJson(value);
      return value;
    },
    listing: (more = []) => listing(root, [...story, ...more]),
    copy: () => {
      const other = scratch('copy');
      execFileSync('cp', ['-a', '--', `${root}/.`, other]);
      return treeAt(other, engine);
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

let made: Promise<{ first: string; second: string; go: string }> | undefined;

/** Tiny releases without compression, made once for a run: Kata's main archive in two versions, and the Go runtime's. */
export function plainReleases(): Promise<{ first: string; second: string; go: string }> {
  made ??= (async () => {
    const folder = scratch('releases');
    const plain = { compression: 'plain' } as const;
    return {
      first: await tinyRelease(folder, { ...plain, version: FIRST }),
      second: await tinyRelease(folder, { ...plain, version: SECOND }),
      go: await tinyRelease(folder, { ...plain, version: FIRST, archive: 'go' }),
    };
  })();
  return made;
}
