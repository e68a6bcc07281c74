import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SECOND, tinyRelease } from '../../lab/release/index.ts';
import { elfKernel, fileIn } from '../components.ts';
import { differences } from '../judges/fingerprint.ts';
import { put } from '../trees/hostTrees.ts';
import { layered, origin } from '../trees/layered.ts';
import { releases, scratch, story, type TreeHost, treeHost } from '../trees/treeHost.ts';

const state = 'var/lib/kata-sysext';

/** A change and the tree that it starts from. */
export interface Scenario {
  name: string;
  args: string[];
  /** The tree before; every case gets a copy of it. */
  base: TreeHost;
  /** What `judged` says of the tree before and of the tree after a change without any accident. */
  old: string[];
  new: string[];
  /** Every failpoint that the undisturbed change passes, in order: 'name@N'. */
  points: string[];
}

type Row = [
  name: string,
  before: string[][],
  args: string[],
  dies?: { args: string[]; at: string } | undefined,
  prepare?: (root: string) => void,
];

/** The changes that specs disturb, each done once undisturbed to learn what it passes and what it makes. */
export async function scenarios(names: readonly string[]): Promise<{ all: Scenario[]; remove(): void }> {
  const { first, second } = await releases();
  const folder = scratch('third');
  const third = await tinyRelease(folder, { version: SECOND, files: { 'libexec/virtiofsd': 'a third one\n' } });
  const go = await tinyRelease(folder, { archive: 'go' });
  const kernels = ['first', 'second'].map((tag) => ['--component', `new:kernel=${fileIn(folder, `vmlinux-${tag}`, elfKernel(tag))}`]) as [
    string[],
    string[],
  ];
  const two = ['--handler', 'qemu', '--handler', 'qemu-runtime-rs', '--alias', 'kata=qemu'];
  const rows: Row[] = [
    ['install', [], ['install', first]],
    ['upgrade', [['install', first]], ['install', second]],
    ['configure', [['install', first]], ['configure', '--set', 'default_memory=4096', '--profile', 'debug']],
    [
      'rollback',
      [
        ['install', first],
        ['install', second],
      ],
      ['rollback'],
    ],
    ['add', [['install', first]], ['install', first, go, '--add-handler', 'qemu', '--alias', 'kata=qemu']],
    ['alias', [['install', first, go, ...two]], ['install', first, go, '--alias', 'kata=qemu-runtime-rs']],
    [
      'component',
      [['install', first, ...kernels[0]]],
      ['install', second, ...kernels[1], '--component', `other:kernel=${kernels[0][1]!.split('=')[1]}`],
    ],
    ['fewer', [['install', first, go, ...two]], ['uninstall', '--handler', 'qemu', '--handler', 'kata']],
    [
      'uninstall',
      [
        ['install', first],
        ['install', second],
      ],
      ['uninstall'],
    ],
    [
      'purge',
      [
        ['install', first],
        ['install', second],
      ],
      ['uninstall', '--purge'],
    ],
    [
      'gc',
      [
        ['install', first],
        ['install', second],
        ['install', third],
      ],
      ['gc', '--keep', '0'],
    ],
    ['adopt', [], ['adopt', 'layered', first], undefined, layeredIn],
    ['adopt back', [['adopt', 'layered', first]], ['uninstall'], undefined, layeredIn],
    ['several', [], ['install', first, ...several, '--allow', 'engine-selinux'], undefined, severalIn],
    [
      'several gone',
      [['install', first, ...several, '--allow', 'engine-selinux']],
      ['uninstall', '--purge', ...several],
      undefined,
      severalIn,
    ],
    ['stage', [['install', first]], ['install', second, '--stage']],
    [
      'activate',
      [
        ['install', first],
        ['install', second, '--stage'],
      ],
      ['activate'],
    ],
    ['pin', [['install', first]], ['pin', '1']],
    [
      'unpin',
      [
        ['install', first],
        ['pin', '1'],
      ],
      ['unpin', '1'],
    ],
    ['image', [], ['install', first, '--backend', 'sysext', '--format', 'squashfs'], undefined, mergingIn],
    ['recover before the commit', [['install', first]], ['recover'], { args: ['install', second], at: 'commit/before=kill' }],
    [
      'recover after the commit',
      [
        ['install', first],
        ['install', second],
      ],
      ['recover'],
      { args: ['uninstall'], at: 'commit/after=kill' },
    ],
  ];
  const all: Scenario[] = [];
  for (const row of rows) if (names.includes(row[0])) all.push(await learn(...row));
  return {
    all,
    remove: () => {
      for (const { base } of all) base.remove();
      rmSync(folder, { recursive: true });
    },
  };
}

/** What systemd-sysext is on a tree. */
function mergingIn(root: string): void {
  put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
  put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
}

const several = ['--engine', 'crio@1.34'];

/** A second engine, and SELinux, whose switch both have: off in one, and missing in the other. */
function severalIn(root: string): void {
  put(root, 'usr/lib/systemd/system/crio.service', '[Service]\nExecStart=/usr/bin/crio\n');
  put(root, 'etc/crio/crio.conf.d/10-crio.conf', '[crio.runtime]\nselinux = false\n');
  put(root, 'etc/selinux/config', 'SELINUX=permissive\nSELINUXTYPE=targeted\n');
}

/** A layered kata-containers in containerd's own file. */
function layeredIn(root: string): void {
  put(root, layered.shim, '#!/bin/sh\n', 0o755);
  put(root, origin.path, origin.text('kata-containers;'));
  const table = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n';
  appendFileSync(join(root, 'etc/containerd/config.toml'), table);
}

async function learn(...[name, before, args, dies, prepare]: Row): Promise<Scenario> {
  const base = treeHost('fcos', prepare);
  for (const step of before) await base.json(step);
  if (dies !== undefined) await base.run(dies.args, { env: { KATA_SYSEXT_FAILPOINT: dies.at } });
  const tried = base.copy();
  const points = await pointsOf(tried, args, {}, 0);
  const made = judged(tried);
  tried.remove();
  // What was interrupted has one way to be settled, whatever happens on that way.
  return { name, args, base, old: dies === undefined ? judged(base) : made, new: made, points };
}

/** Runs a verb and tells which failpoints it passed: 'name@N'. */
export async function pointsOf(host: TreeHost, args: string[], env: Record<string, string> = {}, wanted = 0): Promise<string[]> {
  const log = join(host.root, '..', `${host.root.split('/').at(-1)}.log`);
  const { status, stderr } = await host.run(args, { env: { ...env, KATA_SYSEXT_FAILPOINT_LOG: log } });
  if (status !== wanted) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  const names = existsSync(log)
    ? readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];
  rmSync(log, { force: true });
  const seen = new Map<string, number>();
  return names.map((each) => {
    seen.set(each, (seen.get(each) ?? 0) + 1);
    return `${each}@${seen.get(each)}`;
  });
}

/** The value of KATA_SYSEXT_FAILPOINT that acts at a point as `pointsOf` names it. */
export function failAt(point: string, act: 'error' | 'kill' | 'pause'): string {
  return point.replace('@', `=${act}@`);
}

/**
 * The whole tree by digests. Left out: the history and the lock, with the folder that holds them (a change that was undone stays in the
 * story, with the number that it used). Of a generation's two records the times are blanked: no two runs share them.
 */
export function judged(host: TreeHost): string[] {
  const records = listRecords(host);
  const lines = host.fingerprint([...story, ...records]);
  const holder = new RegExp(`^(\\./|# file: )${state}(\\||$)`);
  const timeless = records.map((path) => {
    const text = readFileSync(host.path(path), 'utf8').replace(/"(created|activated)": "[^"]*"/g, '"$1": ""');
    return `${path} ${lstatSync(host.path(path)).mode.toString(8)} ${createHash('sha256').update(text).digest('hex')}`;
  });
  return [...lines.filter((line) => !holder.test(line)), ...timeless].sort();
}

function listRecords(host: TreeHost): string[] {
  const folder = `${state}/generations`;
  const numbers = existsSync(host.path(folder)) ? readdirSync(host.path(folder)) : [];
  return numbers
    .flatMap((number) => ['manifest.json', 'record.json'].map((name) => `${folder}/${number}/${name}`))
    .filter((path) => existsSync(host.path(path)));
}

/** What is wrong with the tree at this very moment, were our program deleted and the host booted. */
export function bootable(host: TreeHost): string[] {
  const problems: string[] = [];
  const text = readFileSync(host.path('etc/containerd/config.toml'), 'utf8');
  const dump = dumpOf(host);
  if (dump === undefined) problems.push('containerd does not load its configuration');
  else if (!/runtimes\.runc\]/.test(dump)) problems.push('runc is gone from the effective configuration');
  const pointer = host.path('etc/kata-sysext/current');
  const target = lstatSync(pointer, { throwIfNoEntry: false }) === undefined ? undefined : readlinkSync(pointer);
  if (target === undefined)
    return text.includes('/etc/kata-sysext/current') ? [...problems, 'the engine names files that are not there'] : problems;
  const generation = host.path(target);
  if (!existsSync(host.path(`${state}/generations/${basename(target)}/manifest.json`))) return [...problems, `${target} is no generation`];
  const payload = host.path(readlinkSync(join(generation, 'payload')));
  if (!existsSync(join(payload, 'runtime-rs/bin/containerd-shim-kata-v2'))) problems.push(`the shim of ${target} is not there`);
  if (!existsSync(join(generation, 'config/kata-qemu-runtime-rs/configuration.toml')))
    problems.push(`the configuration of ${target} is not there`);
  return problems;
}

/** The effective configuration by the engine's own binary, of a copy whose imports lead into the tree. */
function dumpOf(host: TreeHost): string | undefined {
  const copy = scratch('dump');
  mkdirSync(join(copy, 'etc'));
  execFileSync('cp', ['-a', host.path('etc/containerd'), join(copy, 'etc/containerd')]);
  const main = join(copy, 'etc/containerd/config.toml');
  writeFileSync(main, readFileSync(main, 'utf8').replaceAll('"/etc/containerd/', `"${copy}/etc/containerd/`));
  const ran = spawnSync('/usr/bin/containerd', ['-c', main, 'config', 'dump'], { encoding: 'utf8' });
  rmSync(copy, { recursive: true });
  return ran.status === 0 ? ran.stdout : undefined;
}

/** Says what is wrong with a tree at one moment; nothing: no lines. */
export type Look = (host: TreeHost) => string[];

/**
 * Kills a change on a copy of `base` by a value of KATA_SYSEXT_FAILPOINT, then recovers: what is wrong. What comes of it has to be one of the
 * trees `allowed`, as `judged` says them.
 */
export async function killedAt(
  base: TreeHost,
  args: string[],
  failpoint: string,
  allowed: string[][],
  looks: { killed?: Look; recovered?: Look } = {},
): Promise<string[]> {
  const host = base.copy();
  const { status } = await host.run(args, { env: { KATA_SYSEXT_FAILPOINT: failpoint } });
  const problems = status === 137 ? (looks.killed?.(host) ?? []) : [`it ended with ${status} instead of being killed`];
  await host.json(['recover']);
  problems.push(...(looks.recovered?.(host) ?? []));
  const now = judged(host);
  const tried = allowed.map((lines) => differences(lines, now));
  if (!tried.some((lines) => lines.length === 0))
    problems.push(`none of the allowed trees: ${tried.map((lines) => lines.join('; ')).join(' | ')}`);
  host.remove();
  return problems.map((problem) => `${args.join(' ')}, ${failpoint}: ${problem}`);
}

/** Nothing if the tree is one of those allowed; else how it differs from each. */
export function compare(scenario: Scenario, now: string[], allowed: readonly ('old' | 'new')[]): string[] {
  const tried = allowed.map((which) => ({ which, lines: differences(scenario[which], now) }));
  if (tried.some(({ lines }) => lines.length === 0)) return [];
  return tried.map(({ which, lines }) => `is not the ${which} tree: ${lines.join('; ')}`);
}
