import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openView, takeLock } from '../../cli/host/index.ts';
import { failAt, judged, type Scenario, scenarios } from '../support/faults/crash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { loopMs, sample } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('the lock', () => {
  let host: TreeHost;
  let first: string;
  let second: string;

  before(async () => {
    ({ first, second } = await releases());
  });

  beforeEach(() => {
    host = treeHost('fcos');
  });

  afterEach(() => host.remove());

  it('a second change is refused with 75 and names the holder; reading verbs are not', async () => {
    const holder = await host.paused(['install', first], 'step/file/journalled=pause');

    const refused = await host.json(['rollback'], 75);
    const status = await host.json(['status']);
    const history = await host.json(['history']);

    await holder.kill();
    assert.deepEqual([refused['code'], refused['subject']], ['lock-held', String(holder.pid)]);
    assert.match(String(refused['found']), new RegExp(`install \\(process ${holder.pid}, since `));
    assert.deepEqual([status['interrupted'], history['entries']], [[], []]);
  });

  for (const [moment, point] of [
    ['while it unpacks', 'store/unpack/after=pause'],
    ['while it changes the host', 'step/file/journalled=pause'],
  ] as const)
    it(`status tells a running change from an interrupted one: ${moment}`, async () => {
      const holder = await host.paused(['install', first], point);

      const running = await host.json(['status']);
      const text = (await host.run(['status'])).stdout;
      const planned = await host.json(['recover', '--dry-run'], 75);
      await holder.kill();
      const { change, interrupted } = await host.json(['status']);
      const plan = (await host.json(['recover', '--dry-run'])) as { steps: { text: string }[] };
      const settled = await host.json(['recover']);
      const nothing = (await host.json(['recover', '--dry-run'])) as { steps: unknown[] };

      const { since, ...rest } = running['change'] as Record<string, string>;
      const open = moment === 'while it unpacks' ? [] : [1];
      const steps = open.length > 0 ? [/^undo change 1 \(install, begun /] : [/^remove what an interrupted unpacking left in /];
      assert.deepEqual([rest, running['interrupted']], [{ state: 'running', verb: 'install', pid: holder.pid }, []]);
      assert.ok(Math.abs(Date.parse(since!) - Date.now()) < 300_000);
      assert.match(text, new RegExp(`^! install \\(process ${holder.pid}, since .*\\) is running$`, 'm'));
      assert.equal(planned['code'], 'lock-held');
      assert.deepEqual([change, interrupted], [undefined, open]);
      assert.deepEqual(
        plan.steps.map((step, index) => steps[index]?.test(step.text)),
        steps.map(() => true),
      );
      assert.deepEqual([(settled['recovered'] as unknown[]).length, nothing.steps], [open.length, []]);
    });

  it('status says of a change that is only planned that it is a dry run', async () => {
    const holder = await host.paused(['install', first, '--dry-run'], 'store/unpack/after=pause');

    const { change } = await host.json(['status']);
    const text = (await host.run(['status'])).stdout;
    const refused = await host.json(['install', first], 75);
    await holder.kill();

    const { since, ...rest } = change as Record<string, unknown>;
    assert.deepEqual(rest, { state: 'running', verb: 'install', dryRun: true, pid: holder.pid });
    assert.match(text, new RegExp(`^! install --dry-run \\(process ${holder.pid}, since ${String(since)}\\) is running$`, 'm'));
    assert.match(String(refused['found']), /^install --dry-run \(process /);
  });

  it('a dry run leaves no file of it where nothing is installed', async () => {
    await host.json(['install', first]);
    await host.json(['uninstall']);
    const before = host.fingerprint();

    for (const verb of ['recover', 'gc']) await host.json([verb, '--dry-run']);

    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('--wait gives up after its time, and goes on when the holder ends before', async () => {
    const holder = await host.paused(['install', first], 'step/file/journalled=pause');
    const started = Date.now();

    const refused = await host.json(['install', second, '--wait', '1'], 75);
    const waited = Date.now() - started;
    const waiting = await host.saying(['install', second, '--wait', '250'], `(process ${holder.pid}, since `);
    holder.go();
    const done = await waiting.done;

    assert.equal(refused['code'], 'lock-held');
    assert.ok(waited >= 1000);
    assert.deepEqual([await holder.ended, done['from'], done['to']], [0, 1, 2]);
  });

  it('whoever waits while the holder purges the folder of the lock gets a new one', async () => {
    await host.json(['install', first]);
    const holder = await host.paused(['uninstall', '--purge'], 'afterwards/journal=pause');
    const waiting = await host.saying(['install', second, '--wait', '250'], 'holds the lock; waiting for up to 250 s');

    holder.go();
    const done = await waiting.done;

    assert.deepEqual([await holder.ended, done['to']], [0, 1]);
    assert.equal((await host.json(['status']))['active'], 1);
  });

  it('five at the same time: one after the other, each true to what it says', async () => {
    const all = await Promise.all([first, second, first, second, first].map((bundle) => host.json(['install', bundle, '--wait', '250'])));

    const numbers = all.filter((done) => done['changed'] === true).map((done) => Number(done['to']));
    const verified = await host.json(['verify']);
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      numbers.map((_, index) => index + 1),
    );
    assert.equal(verified['generation'], Math.max(...numbers));
  });

  it('what is written in the lock file of a dead holder does not matter', async () => {
    put(host.root, 'var/lib/kata-sysext/lock', '{"pid":1,"verb":"install","since":"never"}\n', 0o600);

    const done = await host.json(['install', first]);

    assert.equal(done['changed'], true);
  });

  it('a link at the place of the lock is refused, and the file that it leads to keeps its bytes', async () => {
    const outside = scratch('outside');
    const victim = join(outside, 'victim');
    writeFileSync(victim, 'not ours\n');
    mkdirSync(host.path('var/lib/kata-sysext'));
    symlinkSync(victim, host.path('var/lib/kata-sysext/lock'));

    const refused = await host.json(['install', first], 3);
    const kept = readFileSync(victim, 'utf8');

    rmSync(outside, { recursive: true });
    assert.deepEqual([refused['code'], kept], ['foreign-file', 'not ours\n']);
  });

  it('check says who is in the way: a held lock blocks, an interrupted change only warns', async () => {
    const holder = await host.paused(['install', first], 'step/file/journalled=pause');

    const busy = await host.json(['check'], 3);
    await holder.kill();
    const open = await host.json(['check']);

    const said = (check: Record<string, unknown>) =>
      (check['findings'] as { code: string; level: string }[]).map(({ code, level }) => `${level} ${code}`);
    assert.ok(said(busy).includes('blocker lock-held'), said(busy).join());
    assert.ok(said(open).includes('warning journal-open'), said(open).join());
  });

  it('a pipe at the place of the lock is refused, not waited for', async () => {
    mkdirSync(host.path('var/lib/kata-sysext'));
    execFileSync('mkfifo', [host.path('var/lib/kata-sysext/lock')]);

    const refused = await host.json(['install', first], 3);
    const allowed = await host.json(['install', first, '--allow', 'state-unsafe'], 3);

    assert.deepEqual([refused['code'], allowed['code']], ['state-unsafe', 'foreign-file']);
    assert.match(String(refused['next']), /if nothing needs it: rm /);
  });

  it('a signal ends the wait at once', async () => {
    const view = openView(host.root, {});
    const lock = await takeLock(view, '/run/a.lock', 'one', { seconds: 0 });
    const stop = new AbortController();
    const started = Date.now();
    setTimeout(() => stop.abort(), 100);

    const waiting = takeLock(view, '/run/a.lock', 'two', { seconds: 600, signal: stop.signal });

    await assert.rejects(waiting, (error: { code?: string }) => error.code === 'interrupted');
    assert.ok(Date.now() - started < 300_000);
    await lock.release();
  });

  it('kata-deploy holding its own lock is waited for by nobody: 3, and nothing is written', async () => {
    put(host.root, 'run/lock/kata-deploy.lock', '');
    const before = host.fingerprint();
    const wrapper = ['/usr/bin/flock', '--no-fork', host.path('run/lock/kata-deploy.lock')];

    const refused = await host.json(['install', first], 3, { wrapper });

    assert.equal(refused['code'], 'host-busy');
    assert.deepEqual(host.fingerprint(), before);
  });

  it('an OS transaction (ostree and dpkg take POSIX locks, which flock does not see) is not disturbed: 3, and nothing is written', async () => {
    for (const path of ['ostree/lock', 'var/lib/dpkg/lock-frontend']) {
      put(host.root, path, '');
      const before = host.fingerprint();
      const holder = spawn('perl', ['-e', posixLock, host.path(path)], { stdio: ['pipe', 'pipe', 'inherit'] });
      await once(holder.stdout, 'data');

      const refused = await host.json(['install', first], 3);
      holder.stdin.end();
      await once(holder, 'close');

      assert.equal(refused['code'], 'host-busy');
      assert.match(String(refused['found']), new RegExp(path));
      assert.deepEqual(host.fingerprint(), before);
    }
    assert.equal((await host.json(['install', first]))['changed'], true);
  });
});

/** Holds a write lock by fcntl until its standard input ends; struct flock as on 64-bit Linux. Node has no such call. */
const posixLock =
  'use Fcntl; $| = 1; open(my $f, "+<", $ARGV[0]) or die; my $l = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $l) or die; print "held\\n"; <STDIN>;';

/** A holder that stands still forever is not dead: nobody may touch what it works on. One that died is cleaned up after. */
describe('the lock, its holder paused at a failpoint', function () {
  this.timeout(loopMs);
  const names = ['install', 'upgrade', 'uninstall', 'purge', 'recover before the commit'];
  let all: Scenario[] = [];
  let remove: () => void = () => undefined;

  before(async () => {
    ({ all, remove } = await scenarios(names));
  });

  after(() => remove());

  for (const name of names) {
    it(`${name}: 75 while it stands, and its death is repaired by the next change`, async () => {
      const scenario = all.find((each) => each.name === name)!;
      const { first, second } = await releases();
      const chosen = sample(scenario.points, 1, `pause ${name}`);

      for (const point of chosen) {
        const host = scenario.base.copy();
        const holder = await host.paused(scenario.args, failAt(point, 'pause'));
        const before = host.fingerprint();
        const refused = await host.json(['install', first], 75);
        const standing = host.fingerprint();
        await holder.kill();
        const done = await host.json(['install', second]);
        const again = await host.json(['install', second]);

        assert.deepEqual([refused['code'], standing], ['lock-held', before], point);
        assert.deepEqual([done['release'], again['changed']], ['4.1.0-lab2', false], point);
        assert.deepEqual((await host.json(['verify']))['drift'], [], point);
        await host.json(['uninstall', '--purge']);
        assert.deepEqual(host.fingerprint(story), treeOf(all).fingerprint(story), point);
        host.remove();
      }
    });
  }
});

/** The bare tree: what the first scenario starts from. */
function treeOf(all: Scenario[]): TreeHost {
  const { base } = all.find((scenario) => scenario.name === 'install')!;
  assert.ok(judged(base).length > 0);
  return base;
}
