import { basename, dirname } from 'node:path';
import { optionsOf, verbs } from '../../../cli/commands/table/index.ts';
import type { Commands } from '../../lab/enter.ts';
import { bootHost, type HostOptions, type LabHost } from '../../lab/host.ts';
import { JUDGE, judgeBinds } from '../../lab/judge.ts';
import { SOCKET, waitForCri } from '../../lab/pods.ts';
import { FIRST, type SampleRelease, SECOND, sampleRelease } from '../../lab/release/index.ts';
import { type Ran, start } from '../../lab/run.ts';
import { fingerprint } from '../judges/fingerprint.ts';
import { repo } from '../program.ts';
import { singleFile } from '../singleFile.ts';

export const containerd = 'containerd.service';
/** The program inside. */
export const kataSysext = '/mnt/program/kata-sysext';
/** A unit that requires the engine, as kubelet does on OpenShift. */
export const dependent = 'node-agent.service';

export interface Live {
  host: LabHost;
  first: SampleRelease;
  second: SampleRelease;
  /** Path inside of an archive of a release. */
  bundle(release: SampleRelease, which?: 'static' | 'go'): string;
  /** Runs the program inside: the single file, for these hosts have no Node. */
  kata(args: string[], env?: Record<string, string>): Promise<Ran>;
  /** The same with --json; throws on another status. */
  json(args: string[], wanted?: number): Promise<Record<string, unknown>>;
}

const dependentUnit = (engine: string) => `[Unit]
Requires=${engine}
After=${engine}
[Service]
ExecStart=/usr/bin/sleep infinity
`;

/** A booted lab host with both sample releases, the built program, the CRI judge and a unit that depends on the engine. */
export async function liveHost(options: HostOptions, engine = { unit: containerd, socket: SOCKET }): Promise<Live> {
  const [first, second] = [await sampleRelease(FIRST), await sampleRelease(SECOND)];
  const host = await bootHost({
    ...options,
    files: {
      [`/etc/systemd/system/${dependent}`]: dependentUnit(engine.unit),
      [`/etc/systemd/system/multi-user.target.wants/${dependent}`]: { link: `../${dependent}` },
      ...options.files,
    },
    binds: {
      [dirname(await singleFile())]: '/mnt/program',
      [first.folder]: '/mnt/first',
      [second.folder]: '/mnt/second',
      ...(await judgeBinds()),
      ...options.binds,
    },
  });
  await waitForCri(host, engine.socket);
  return {
    host,
    first,
    second,
    bundle: (release, which = 'static') => `/mnt/${release === first ? 'first' : 'second'}/${basename(release[which])}`,
    ...programOn(host, 600_000),
  };
}

/** A change waits for the lock: after a boot the last phase of the guard takes it, some seconds after the engine came up. */
const waiting = ['--wait', '300'];
const locking = verbs.filter((verb) => Object.hasOwn(optionsOf(verb), 'wait')).map(({ name }) => name);

function patient(args: string[]): string[] {
  return locking.includes(args[0] ?? '') && !args.includes('--wait') ? [...args, ...waiting] : args;
}

/** The program on a host that has it at its place. */
export function programOn(host: Pick<Commands, 'run'>, timeoutMs: number): Pick<Live, 'kata' | 'json'> {
  const kata = (args: string[], env: Record<string, string> = {}) =>
    host.run([kataSysext, ...patient(args)], { allowFailure: true, timeoutMs, env });
  return {
    kata,
    json: async (args, wanted = 0) => {
      const ran = await kata([...args, '--json', '--progress', 'none']);
      if (ran.code !== wanted)
        throw new Error(`kata-sysext ${args.join(' ')} ended with ${ran.code}, not ${wanted}:\n${ran.stdout}\n${ran.stderr}`);
      return JSON.parse(ran.stdout) as Record<string, unknown>;
    },
  };
}

/** Which run of each unit is alive: a restart changes both numbers. */
export async function runsOf({ host }: { host: Commands }, units = [containerd, dependent]): Promise<Record<string, string>> {
  const runs: Record<string, string> = {};
  for (const unit of units) {
    const { stdout } = await host.run(['systemctl', 'show', unit, '-p', 'InvocationID', '-p', 'MainPID', '-p', 'ActiveState']);
    runs[unit] = stdout.trim().split('\n').sort().join(' ');
  }
  return runs;
}

/** How often PID 1 has started a unit since boot, by the journal. */
export async function startsOf({ host }: { host: Commands }, unit: string): Promise<number> {
  const { stdout } = await host.run([
    'journalctl',
    '-b',
    '-o',
    'json',
    '--output-fields=INVOCATION_ID',
    '_PID=1',
    `UNIT=${unit}`,
    'JOB_TYPE=start',
    '+',
    '_PID=1',
    `UNIT=${unit}`,
    'JOB_TYPE=restart',
  ]);
  const ids = stdout.split('\n').flatMap((line) => (/"INVOCATION_ID":"([0-9a-f]+)"/.exec(line) ?? []).slice(1));
  return new Set(ids).size;
}

/** The handlers that the CRI names, by the judge. */
export async function handlersOf({ host }: { host: Commands }): Promise<string[]> {
  const { stdout } = await host.run([JUDGE, 'info']);
  const { info } = JSON.parse(stdout) as { info: { config: string } };
  const config = JSON.parse(info.config) as { containerd: { runtimes: Record<string, unknown> } };
  return Object.keys(config.containerd.runtimes).sort();
}

/** Asks the CRI every 5 ms while `work` runs; gives how many calls there were and how many failed. */
export async function whileProbed(
  live: Live,
  work: () => Promise<unknown>,
  socket = SOCKET,
): Promise<{ calls: number; failed: number; first: string }> {
  // From outside, with this machine's Node: a socket of a host has a path here as well, but its links would lead into this machine.
  const real = (await live.host.run(['realpath', socket])).stdout.trim();
  const child = start([process.execPath, `${repo}spec/support/live/prober.mjs`, `/proc/${live.host.leader}/root${real}`]);
  let out = '';
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (out.startsWith('ready\n')) resolve();
    });
    child.on('close', () => reject(new Error('the prober ended before its first answer')));
  });
  await ready;
  await work();
  const closed = new Promise((resolve) => child.on('close', resolve));
  child.stdin?.end();
  await closed;
  return JSON.parse(out.replace('ready\n', '')) as { calls: number; failed: number; first: string };
}

/** /etc without systemd's own note of the time that /usr has: a merge gives /usr another one (systemd-update-done.service). */
export function etcOf({ host }: { host: { root: string } }): string[] {
  return fingerprint(host.root, ['etc']).filter((line) => !line.includes('./etc/.updated'));
}

/**
 * Where a secret of the engine's files is that kata-sysext must not keep or say: its files, its entries in systemd's journal, what its verbs
 * print, and the report.
 */
export async function secretsKept({ host, kata }: Live, secret: string): Promise<string[]> {
  const files = await host.run(['grep', '-rlF', secret, '/var/lib/kata-sysext', '/etc/kata-sysext', '/run/kata-sysext'], {
    allowFailure: true,
  });
  const journal = await host.sh(
    "journalctl -b -o verbose MESSAGE_ID=5d0c2f8e7b1a4c3f9e6d8a41c7b35e92 + _COMM=kata-sysext + UNIT='kata-sysext*'",
    {
      allowFailure: true,
    },
  );
  const { entries } = JSON.parse((await kata(['history', '--json'])).stdout) as { entries: { id: number }[] };
  const verbs = [['status'], ['verify'], ['report', '-o', '-'], ['history'], ...entries.map(({ id }) => ['history', String(id), '--json'])];
  const found = files.stdout.split('\n').filter((path) => path !== '');
  if (journal.stdout.includes(secret)) found.push('the journal');
  for (const verb of verbs) {
    const ran = await kata(verb);
    if (`${ran.stdout}${ran.stderr}`.includes(secret)) found.push(verb.join(' '));
  }
  return found;
}
