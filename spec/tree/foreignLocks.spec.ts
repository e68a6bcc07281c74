import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, rmSync, symlinkSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';
import { untouched } from '../support/trees/untouched.ts';

const lock = 'run/lock/kata-deploy.lock';
const user = 65534;

type Holder = ChildProcessByStdio<Writable, Readable, null>;

describe('locks of other programs', () => {
  let host: TreeHost;
  let first: string;
  let holders: Holder[];

  before(async () => {
    ({ first } = await releases());
  });

  beforeEach(() => {
    host = treeHost('fcos');
    put(host.root, lock, '');
    holders = [];
  });

  afterEach(async () => {
    for (const holder of holders) await letGo(holder);
    host.remove();
  });

  /** The shell has the lock; flock(1), which took it, is gone. */
  async function hold(file: string, before: string[] = []): Promise<Holder> {
    const script = 'exec 9<"$1"; shift; exec "$@" sh -c "flock $0 9; echo held; read -r line"';
    const child = spawn('sh', ['-c', script, '--shared', file, ...(before.length === 0 ? ['env'] : before)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    holders.push(child);
    await once(child.stdout, 'data');
    return child;
  }

  it('a user who locks a file that he may only read holds nothing back', async () => {
    await hold(host.path(lock), ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups']);

    const done = await host.json(['install', first]);

    assert.equal(done['changed'], true);
  });

  it('nor does a lock on a file of that user, or on what a link of that name leads to', async () => {
    put(host.root, 'precious', '');
    await hold(host.path('precious'));
    await hold(host.path(lock));
    chownSync(host.path(lock), user, user);
    const done = await host.json(['install', first]);
    rmSync(host.path(lock));
    symlinkSync('/precious', host.path(lock));

    const gone = await host.json(['uninstall']);

    assert.deepEqual([done['changed'], gone['changed']], [true, true]);
  });

  it('one of root holds a change back: 3, and nothing is written; whoever took it for its parent may be gone', async () => {
    await hold(host.path(lock));

    const error = await untouched(host, ['install', first], 3, 'host-busy');

    assert.match(String(error['next']), /--wait SECONDS/);
    assert.match(String(error['next']), /--allow host-busy/);
  });

  it('--wait goes on as soon as it is free', async () => {
    const holder = await hold(host.path(lock));
    const waiting = await host.saying(['install', first, '--wait', '600'], `kata-deploy holds /${lock}; waiting for up to 600 s`);

    await letGo(holder);
    const done = await waiting.done;

    assert.equal(done['changed'], true);
  });

  it('--allow host-busy goes on and says so', async () => {
    await hold(host.path(lock));

    const { status, stderr } = await host.run(['install', first, '--allow', 'host-busy', '--progress', 'plain']);

    assert.equal(status, 0);
    assert.match(stderr, /kata-deploy holds \/run\/lock\/kata-deploy\.lock/);
  });

  it('a user who takes more locks than the table has room for hides no change that runs, and makes none of one that does not', async () => {
    put(host.root, 'flood', '');
    const free = await flooded();
    const nothing = await host.json(['status']);
    const holder = await host.paused(['install', first], 'store/unpack/after=pause');

    const running = await host.json(['status']);
    await holder.kill();
    const interrupted = await host.json(['status']);
    await letGo(free);

    const states = [nothing, running, interrupted].map((status) => (status['change'] as { state: string } | undefined)?.state);
    assert.deepEqual(states, [undefined, 'running', undefined]);
  });

  /** Locks on every other byte, which the kernel cannot join: each is a line of /proc/locks. */
  async function flooded(): Promise<Holder> {
    const locks =
      'open(F, "<&=9") or die; for (0 .. 23999) { fcntl(F, 6, pack("ssx4qqix4", 0, 0, 2 * $_, 1, 0)) or die } $| = 1; print "held"; <STDIN>';
    const script = `exec 9<"$1"; exec setpriv --reuid=${user} --regid=${user} --clear-groups perl -e "$0"`;
    const child = spawn('sh', ['-c', script, locks, host.path('flood')], { stdio: ['pipe', 'pipe', 'inherit'] });
    holders.push(child);
    await once(child.stdout, 'data');
    return child;
  }

  it('recover waits for none: what is half done is put back first', async () => {
    const interrupted = await host.paused(['install', first], 'step/file/journalled=pause');
    await interrupted.kill();
    await hold(host.path(lock));

    const recovered = await host.json(['recover', '--wait', '600']);

    assert.deepEqual(
      (recovered['recovered'] as { result: string }[]).map(({ result }) => result),
      ['undone'],
    );
  });
});

async function letGo(holder: Holder): Promise<void> {
  if (holder.exitCode !== null) return;
  const ended = once(holder, 'close');
  holder.stdin.end('\n');
  await ended;
}
