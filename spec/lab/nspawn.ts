import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { childrenOf } from './run.ts';

const LOOPS = 64;

// the group is entered first, so that nspawn builds below it; loop nodes are the host's own, since systemd removes those it has used
const SCRIPT = `
echo $$ > "$1/cgroup.procs"
for n in $(seq 0 ${LOOPS - 1}); do [ -e "$2/loop$n" ] || mknod "$2/loop$n" b 7 "$n"; done
shift 2
exec "$@"
`;

export interface Start {
  folder: string;
  root: string;
  cgroup: string;
  devices: string[];
  background: boolean;
  /** of a network namespace; default: one of its own without a way out */
  network: string | undefined;
}

/** Starts systemd of the root in namespaces; no systemd is needed on the machine. The console's text goes to `console.log` in the folder. */
export function startNspawn({ folder, root, cgroup, devices, background, network }: Start): ChildProcess {
  const memory = join(folder, 'memory');
  const shown = ['/dev/loop-control', '/dev/fuse', ...devices].filter((device) => existsSync(device));
  const argv = [
    // a test that is killed takes its host along
    ...(background ? [] : ['setpriv', '--pdeathsig', 'KILL']),
    'systemd-nspawn',
    '-D',
    root,
    '--boot',
    '--register=no',
    '--keep-unit',
    network === undefined ? '--private-network' : `--network-namespace-path=${network}`,
    '--capability=all',
    '--system-call-filter=@mount @module add_key keyctl bpf',
    '--console=pipe',
    '--resolv-conf=off',
    '--timezone=off',
    '--link-journal=no',
    ...shown.map((device) => `--bind=${device}`),
    ...Array.from({ length: LOOPS }, (_, n) => `--bind=${memory}/loop${n}:/dev/loop${n}`),
  ];
  const log = openSync(join(folder, 'console.log'), 'a');
  const child = spawn('sh', ['-ec', SCRIPT, 'sh', cgroup, memory, ...argv], {
    stdio: ['ignore', log, log],
    detached: true,
    env: { PATH: process.env['PATH'] ?? '', UNIFIED_CGROUP_HIERARCHY: '1', SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
  });
  closeSync(log);
  child.unref();
  return child;
}

export async function waitForLeader(nspawn: ChildProcess, folder: string): Promise<number> {
  for (let tries = 0; tries < 15_000 && nspawn.exitCode === null && nspawn.signalCode === null; tries++) {
    const leader = leaderOf(nspawn.pid ?? 0);
    if (leader !== undefined) return leader;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the host did not start:\n${readFileSync(join(folder, 'console.log'), 'utf8').slice(-2000)}`);
}

/** The host's PID 1: nspawn's first child is a helper; this one is in a namespace of its own and has become systemd. */
export function leaderOf(nspawn: number): number | undefined {
  const own = readlinkSync('/proc/self/ns/pid');
  return childrenOf(nspawn).find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'systemd' && readlinkSync(`/proc/${pid}/ns/pid`) !== own;
    } catch {
      // it ended while it was looked at
      return false;
    }
  });
}
