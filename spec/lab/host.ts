import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { killCgroup, makeCgroup, removeCgroup } from './cgroup.ts';
import { CNI, containerdConfig, runcWithoutControllers } from './containerd.ts';
import { entering, type InsideOptions, runInside } from './enter.ts';
import { importImages } from './image.ts';
import { type Start, startNspawn, waitForLeader } from './nspawn.ts';
import { alive, endHost, type Owner, processOf, removeEmptyDirs, writeOwner } from './owners.ts';
import { debianRoot, type Suite } from './roots.ts';
import type { Ran } from './run.ts';
import { bindInto, type Content, hostsFolder, makeStorage, writeFiles } from './storage.ts';

export interface LabHost {
  name: string;
  suite: Suite;
  /** the host's root as the machine sees it: a test may look in from outside, past any program of the host */
  root: string;
  /** the host's PID 1 as the machine numbers it; another one after each reboot */
  readonly leader: number;
  /** throws on a nonzero status unless told otherwise */
  run(argv: string[], options?: InsideOptions): Promise<Ran>;
  sh(script: string, options?: InsideOptions): Promise<Ran>;
  /** a long-running program inside; end it with `killGroup` of run.ts: a signal to the child itself reaches only nsenter */
  spawn(argv: string[], options?: InsideOptions): ChildProcess;
  /** ends the host and boots the same disk again, until it is up; processes and mounts that were made inside are gone */
  reboot(options?: RebootOptions): Promise<void>;
  stop(): Promise<void>;
}

export interface RebootOptions {
  /** kill every process at once, as a loss of power would; what was written stays, synced or not */
  crash?: boolean;
  /** it shall end in rescue mode */
  repairs?: boolean;
  /** called while nothing of the host runs: a test may change `root` from outside */
  between?: () => Promise<void> | void;
}

export interface HostOptions {
  suite: Suite;
  name?: string;
  /** written before boot: absolute path inside → content, or the target of a symlink */
  files?: Record<string, Content>;
  /** the whole of /etc/containerd/config.toml; default: {@link containerdConfig}; '' leaves the file out */
  containerdConfig?: string;
  /** path on the machine → path inside, read-only */
  binds?: Record<string, string>;
  /** another root than the suite's own */
  base?: string;
  /** another folder to be /usr; default: the root's own */
  usr?: string;
  /** device nodes of the machine to show inside, where they exist; /dev/kvm is not among the defaults */
  devices?: string[];
  /** import the lab's images and wait for containerd; default true */
  images?: boolean;
  /** path of a network namespace that it shall be in; default: one of its own without a way out */
  network?: string;
  /** the host outlives this process (`npm run lab`) */
  background?: boolean;
}

let count = 0;

/** Boots systemd in namespaces of this kernel and waits until it is up: about two seconds. */
export async function bootHost(options: HostOptions): Promise<LabHost> {
  const debian = options.base ?? (await debianRoot(options.suite));
  await mkdir(hostsFolder(), { recursive: true });
  await removeEmptyDirs();
  const name = options.name ?? `${options.suite}-${process.pid}-${++count}`;
  const cgroup = await makeCgroup(name);
  const folder = join(hostsFolder(), name);
  await mkdir(folder);
  const owner: Owner = { owner: processOf(process.pid) ?? { pid: process.pid, started: '' }, cgroup };
  await writeOwner(folder, owner);
  try {
    const { root } = await makeStorage(name, debian, options.usr);
    await writeFiles(root, { ...baseFiles(name, options), ...options.files });
    await bindInto(root, options.binds ?? {});
    const { devices = [], background = false, network } = options;
    const start: Start = { folder, root, cgroup, devices, background, network };
    const host = hostOf({ name, suite: options.suite, root, leader: await startUp(start, owner) }, start, owner);
    await waitForBoot(host, folder);
    if (options.images !== false) await importImages(host);
    return host;
  } catch (error) {
    await endHost(folder, owner).catch(() => undefined);
    throw error;
  }
}

/** Starts systemd on what lies in the root; gives its PID 1. */
async function startUp(start: Start, owner: Owner): Promise<number> {
  const nspawn = startNspawn(start);
  owner.nspawn = processOf(nspawn.pid ?? 0);
  if (start.background && owner.nspawn !== undefined) owner.owner = owner.nspawn;
  await writeOwner(start.folder, owner);
  return waitForLeader(nspawn, start.folder);
}

/** What a host is, whichever process is its PID 1 at the moment. */
function hostOf(facts: Pick<LabHost, 'name' | 'suite' | 'root' | 'leader'>, start: Start, owner: Owner): LabHost {
  let { leader } = facts;
  const host: LabHost = {
    ...facts,
    get leader() {
      return leader;
    },
    run: (argv, options) => runInside(leader, argv, options),
    sh: (script, options) => runInside(leader, ['/bin/sh', '-ec', script], options),
    spawn: (argv, options) => entering(leader, argv, options),
    reboot: async ({ crash = false, repairs = false, between } = {}) => {
      await shutDown(host, owner, crash);
      await between?.();
      await makeCgroup(facts.name);
      leader = await startUp(start, owner);
      await waitForBoot(host, start.folder, repairs ? ['maintenance'] : undefined);
    },
    stop: () => endHost(start.folder, owner),
  };
  return host;
}

/**
 * nspawn ends at a reboot of its host (`--keep-unit`), and its mount namespace with it; the disk stays mounted outside. Once every unit
 * is stopped, what is left (pods) is not waited for: some ignore systemd's SIGTERM until its 90 s are over.
 */
async function shutDown(host: LabHost, owner: Owner, crash: boolean): Promise<void> {
  const { nspawn } = owner;
  if (nspawn === undefined) throw new Error(`${host.name} has no process`);
  // the answer may be lost with whoever gives it
  const ask = () => host.run(['systemctl', 'reboot'], { allowFailure: true });
  // a change that runs holds a shutdown back for a moment
  for (let tries = 0; !crash && tries < 10 && (await ask()).code === 1; tries++) await new Promise((resolve) => setTimeout(resolve, 1000));
  const stopped = () => !alive(nspawn) || (nameOf(host.leader) ?? 'systemd-shutdown').startsWith('systemd-shutdow');
  for (const deadline = Date.now() + 600_000; !crash && !stopped(); await new Promise((resolve) => setTimeout(resolve, 50)))
    if (Date.now() > deadline) throw new Error(`${host.name} does not shut down`);
  if (alive(nspawn)) process.kill(nspawn.pid, 'SIGKILL');
  for (let tries = 0; tries < 3000 && alive(nspawn); tries++) await new Promise((resolve) => setTimeout(resolve, 50));
  await killCgroup(owner.cgroup);
  await removeCgroup(owner.cgroup);
}

/** undefined for a process that has ended meanwhile. */
function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return undefined;
  }
}

function baseFiles(name: string, options: HostOptions): Record<string, Content> {
  const config = options.containerdConfig ?? containerdConfig(options.suite);
  const masked = [
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'fstrim.timer',
    'systemd-networkd.service',
    'audit-rules.service',
  ];
  return {
    '/etc/hostname': `${name}\n`,
    '/etc/machine-id': `${Buffer.from(name).toString('hex').padEnd(32, '0').slice(-32)}\n`,
    '/etc/fstab': '',
    // the CRI copies both into each sandbox
    '/etc/hosts': `127.0.0.1 localhost ${name}\n`,
    '/etc/resolv.conf': '',
    '/etc/cni/net.d/10-lab.conflist': CNI,
    ...Object.fromEntries(masked.map((unit) => [`/etc/systemd/system/${unit}`, { link: '/dev/null' }])),
    ...runcWithoutControllers(options.suite),
    ...(config === '' ? {} : { '/etc/containerd/config.toml': config }),
  };
}

async function waitForBoot(host: LabHost, folder: string, wanted = ['running', 'degraded']): Promise<void> {
  const deadline = Date.now() + 600_000;
  let state = '';
  while (Date.now() < deadline) {
    state = (await host.run(['systemctl', 'is-system-running', '--wait'], { allowFailure: true, timeoutMs: 600_000 })).stdout.trim();
    if (wanted.includes(state)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(
    `the host is ${state || 'silent'} after five minutes:\n${readFileSync(join(folder, 'console.log'), 'utf8').slice(-2000)}`,
  );
}
