import { appendFileSync, lstatSync, readFileSync } from 'node:fs';
import type { Clock } from '../../../cli/bootGuard/healthCheck/watch.ts';
import { type Host, openHost } from '../../../cli/host/index.ts';
import type { Context } from '../../../cli/runner/types.ts';
import type { UnitState } from '../../../cli/systemd/types.ts';
import { type FakeCri, fakeCri } from '../fakeCri.ts';
import { type ScriptedSystemd, scriptedSystemd } from '../scriptedSystemd.ts';
import { put } from './hostTrees.ts';
import { releases, type TreeHost, treeHost } from './treeHost.ts';

const engineUnit = 'containerd.service';
const engine = '/opt/engine/containerd';
const configuration = 'etc/containerd/config.toml';

/** A host with an installed generation, whose engine and PID 1 are stand-ins: what the boot guard does to its files is real. */
export interface GuardedTree {
  tree: TreeHost;
  host: Host;
  cri: FakeCri;
  systemd: ScriptedSystemd;
  clock: Clock & { seconds(): number };
  /** What PID 1 says of the engine's unit. */
  unit: () => Partial<UnitState>;
  /** By how much each wait is longer than it was asked for, as on a slow machine. */
  pace: number;
  others: Record<string, Partial<UnitState>>;
  said: string[];
  /** Whether the engine's file has text of kata-sysext. */
  isWired(): boolean;
  /** Whether any generation is active. */
  isActive(): boolean;
  context(signal?: AbortSignal): Context;
  record(): { state: string; blessed?: { deployment: string } };
  remove(): void;
}

let installed: TreeHost | undefined;

/** The tree that every spec of a file gets a copy of; call it in a `before`. */
export async function installGuarded(): Promise<TreeHost> {
  const { first } = await releases();
  installed = treeHost('fcos', putEngine);
  await installed.json(['install', first]);
  return installed;
}

/** The engine's unit, a program that takes every file, and a socket whose path is short enough below any temporary folder. */
export function putEngine(root: string): void {
  appendFileSync(`${root}/${configuration}`, '\n[grpc]\n  address = "/run/c.sock"\n');
  put(root, `etc/systemd/system/${engineUnit}`, `[Service]\nExecStart=${engine}\n`);
  put(root, `var${engine}`, `#!/bin/sh\n[ "$1" != --version ] || { echo containerd lab 1.7.24; exit; }\ncat "$2"\n`, 0o755);
}

/** The engine of the tree is asked, about the files of the tree. */
export function engineRun(own: Host): Host['run'] {
  return async (program, args, options) =>
    program.includes(engine)
      ? own.run(await own.locate(program), await Promise.all(args.map((arg) => (arg.startsWith('/') ? own.locate(arg) : arg))), options)
      : own.run(program, args, options);
}

export async function guardedTree(): Promise<GuardedTree> {
  const tree = installed!.copy();
  const manifest = readFileSync(tree.path('var/lib/kata-sysext/generations/1/manifest.json'), 'utf8');
  const handlers = (JSON.parse(manifest) as { handlers: { name: string }[] }).handlers.map(({ name }) => name);
  put(tree.root, 'proc/sys/kernel/random/boot_id', 'this boot\n');
  const cri = await fakeCri(tree.path('run/c.sock'), ['runc', ...handlers]);
  const own = openHost(tree.root, {});
  const isWired = () => readFileSync(tree.path(configuration), 'utf8').includes('kata-sysext');
  let ms = 0;
  const guarded: GuardedTree = {
    tree,
    host: own,
    cri,
    // What is asked of the engine's process must be true of a real one.
    systemd: scriptedSystemd((unit) => (unit === engineUnit ? { mainPid: process.pid, ...guarded.unit() } : guarded.others[unit])),
    clock: {
      now: () => ms,
      pause: async (length) => {
        ms += length * guarded.pace;
      },
      seconds: () => ms / 1000,
    },
    unit: () => ({}),
    pace: 1,
    others: {},
    said: [],
    isWired,
    // The link leads to a path of the tree.
    isActive: () => lstatSync(tree.path('etc/kata-sysext/current'), { throwIfNoEntry: false }) !== undefined,
    context: (signal = new AbortController().signal) => ({
      host: guarded.host,
      program: '0',
      emit: (event) => {
        if (event.kind === 'warning') guarded.said.push(event.text);
      },
      signal,
      asked: { cause: 'boot guard' },
    }),
    record: () => JSON.parse(readFileSync(tree.path('var/lib/kata-sysext/generations/1/record.json'), 'utf8')),
    remove: () => {
      cri.stop();
      tree.remove();
    },
  };
  guarded.host = { ...own, live: true, booted: true, run: engineRun(own), systemd: async () => guarded.systemd.systemd };
  return guarded;
}
