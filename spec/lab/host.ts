import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCgroup } from './cgroup.ts';
import { CNI, containerdConfig, runcWithoutControllers } from './containerd.ts';
import { entering, type InsideOptions, runInside } from './enter.ts';
import { importImages } from './image.ts';
import { startNspawn, waitForLeader } from './nspawn.ts';
import { endHost, type Owner, processOf, sweep, writeOwner } from './owners.ts';
import { debianRoot, type Suite } from './roots.ts';
import type { Ran } from './run.ts';
import { bindInto, type Content, hostsFolder, makeStorage, writeFiles } from './storage.ts';

export interface LabHost {
  name: string;
  suite: Suite;
  /** the host's root as the machine sees it: a test may look in from outside, past any program of the host */
  root: string;
  /** the host's PID 1 as the machine numbers it */
  leader: number;
  /** throws on a nonzero status unless told otherwise */
  run(argv: string[], options?: InsideOptions): Promise<Ran>;
  sh(script: string, options?: InsideOptions): Promise<Ran>;
  /** a long-running program inside; end it with `killGroup` of run.ts: a signal to the child itself reaches only nsenter */
  spawn(argv: string[], options?: InsideOptions): ChildProcess;
  stop(): Promise<void>;
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
  /** another folder to be /usr; default: the suite's own */
  usr?: string;
  /** device nodes of the machine to show inside, where they exist; /dev/kvm is not among the defaults */
  devices?: string[];
  /** import the lab's images and wait for containerd; default true */
  images?: boolean;
  /** the host outlives this process (`npm run lab`) */
  background?: boolean;
}

let count = 0;

/** Boots systemd in namespaces of this kernel and waits until it is up: about two seconds. */
export async function bootHost(options: HostOptions): Promise<LabHost> {
  const debian = await debianRoot(options.suite);
  await mkdir(hostsFolder(), { recursive: true });
  await sweep();
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
    const nspawn = startNspawn({ folder, root, cgroup, devices: options.devices ?? [], background: options.background === true });
    owner.nspawn = processOf(nspawn.pid ?? 0);
    if (options.background === true && owner.nspawn !== undefined) owner.owner = owner.nspawn;
    await writeOwner(folder, owner);
    const leader = await waitForLeader(nspawn, folder);
    const host = hostOf({ name, suite: options.suite, root, leader }, folder, owner);
    await waitForBoot(host, folder);
    if (options.images !== false) await importImages(host);
    return host;
  } catch (error) {
    await endHost(folder, owner).catch(() => undefined);
    throw error;
  }
}

/** The same host by its facts: for `npm run lab`, whose verbs are processes of their own. */
export function hostOf(facts: Pick<LabHost, 'name' | 'suite' | 'root' | 'leader'>, folder: string, owner: Owner): LabHost {
  return {
    ...facts,
    run: (argv, options) => runInside(facts.leader, argv, options),
    sh: (script, options) => runInside(facts.leader, ['/bin/sh', '-ec', script], options),
    spawn: (argv, options) => entering(facts.leader, argv, options),
    stop: () => endHost(folder, owner),
  };
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

async function waitForBoot(host: LabHost, folder: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  let state = '';
  while (Date.now() < deadline) {
    state = (await host.run(['systemctl', 'is-system-running', '--wait'], { allowFailure: true, timeoutMs: 60_000 })).stdout.trim();
    if (state === 'running' || state === 'degraded') return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the host is ${state || 'silent'} after a minute:\n${readFileSync(join(folder, 'console.log'), 'utf8').slice(-2000)}`);
}
