import type { Commands } from '../../lab/enter.ts';
import { kataSysext, type Live } from './liveHost.ts';

/** Waits until the last phase of the guard of this boot has ended. */
export async function guardEnded({ host }: { host: Commands }): Promise<void> {
  const asked = 'systemctl show -P ExecMainExitTimestampMonotonic kata-sysext-confirm.service';
  await host.sh(`until [ "$(${asked})" != 0 ]; do sleep 0.5; done`, { timeoutMs: 600_000 });
}

/** Whether a change's own unit is there. */
export async function unitsActive({ host }: Live): Promise<boolean> {
  const { stdout } = await host.run([
    'systemctl',
    'list-units',
    '--plain',
    '--no-legend',
    '--state=active,activating,deactivating',
    'kata-sysext-*',
  ]);
  return stdout.trim() !== '';
}

export async function until(is: () => Promise<boolean>, what: string, timeoutMs = 600_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await is())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The pid of the program that stopped itself at a failpoint. */
export async function stopped({ host }: Live): Promise<number> {
  const { stdout } = await host.sh(
    `for n in $(seq 5000); do for f in /proc/[0-9]*/status; do if grep -qs '^State:.T' $f; then basename $(dirname $f); exit; fi; done; sleep 0.1; done; exit 1`,
    { timeoutMs: 600_000 },
  );
  return Number(stdout.trim());
}

export interface Held {
  /** The unit's own process, which stands still. */
  pid: number;
  /** Ends the command that follows; the unit knows nothing of it. */
  killFollower(): Promise<void>;
  go(): Promise<void>;
  /** Exit status and standard output of the command that follows. */
  ended: Promise<{ status: number | null; stdout: string }>;
}

/** Starts a change whose unit stops itself at a failpoint ('name@N'), and gives it as soon as it stands still. */
export async function heldAt(live: Live, words: string[], point: string): Promise<Held> {
  const child = live.host.spawn([kataSysext, ...words, '--json', '--progress', 'none'], {
    env: { KATA_SYSEXT_FAILPOINT: point.replace('@', '=pause@') },
  });
  let stdout = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const ended = new Promise<{ status: number | null; stdout: string }>((resolve) =>
    child.on('close', (status) => resolve({ status, stdout })),
  );
  const pid = await stopped(live);
  return {
    pid,
    ended,
    killFollower: async () => {
      await live.host.sh(`pkill -KILL -f '^${kataSysext} ${words[0]}' --oldest`);
      await ended;
    },
    go: async () => void (await live.host.run(['kill', '-CONT', String(pid)])),
  };
}

/** The failpoints that a change passes in its unit, in order: 'name@N'. */
export async function livePoints(live: Live, words: string[]): Promise<string[]> {
  const log = '/run/kata-sysext-points';
  const { code, stderr } = await live.kata(words, { KATA_SYSEXT_FAILPOINT_LOG: log });
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}: ${stderr}`);
  const names = (await live.host.run(['cat', log])).stdout.split('\n').filter((line) => line !== '');
  await live.host.run(['rm', log]);
  const seen = new Map<string, number>();
  return names.map((name) => {
    seen.set(name, (seen.get(name) ?? 0) + 1);
    return `${name}@${seen.get(name)}`;
  });
}
