import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { type Generation, readGenerations, readHistory } from '../../cli/store/index.ts';
import { begin, openEntries, writeStep } from '../../cli/transaction/journal.ts';
import { openHere, plannedRecovery, recover } from '../../cli/transaction/recover.ts';
import { type Gate, runTransaction } from '../../cli/transaction/run.ts';
import type { Intent, Outcome } from '../../cli/transaction/types.ts';
import { counting, failingOnce, losingPower } from '../support/faults/faultyHost.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { repo } from '../support/program.ts';
import { sample } from '../support/sample.ts';
import { type ChangeTree, changeTree, fileStep, here, intentOf, state } from '../support/trees/changeTree.ts';

const open: Gate = { beforeRestart: async () => undefined, afterSteps: async () => undefined, evidence: async () => ['seen'] };
const never = new AbortController().signal;
const engine = 'version = 2\n';
const wired = `${engine}[kata]\n`;

/** One step of each kind that needs nothing but files. */
const steps: Intent['steps'] = [
  { kind: 'folder', path: '/etc/kata', mode: 0o755 },
  { kind: 'pointer', path: '/etc/kata/current', before: 'absent', after: '/var/lib/kata-sysext/generations/2' },
  fileStep('/etc/engine.toml', engine, wired, { ours: ['[kata]\n'] }),
  fileStep('/etc/kata/new.conf', undefined, 'new\n'),
  fileStep('/etc/old/own.conf', 'old\n', undefined),
  { kind: 'drop-folder', path: '/etc/old' },
];

function start(): ChangeTree {
  const tree = changeTree();
  mkdirSync(join(tree.root, 'etc/old'));
  writeFileSync(join(tree.root, 'etc/engine.toml'), engine, { mode: 0o640 });
  writeFileSync(join(tree.root, 'etc/old/own.conf'), 'old\n');
  return tree;
}

function run(host: ChangeTree['host'], gate = open, intent = intentOf(steps), signal = never): Promise<Outcome> {
  return runTransaction(host, intent, gate, () => undefined, signal);
}

describe('a transaction', () => {
  const made: ChangeTree[] = [];
  afterEach(() => {
    for (const { root } of made.splice(0)) rmSync(root, { recursive: true, force: true });
  });
  function tree(): ChangeTree {
    const one = start();
    made.push(one);
    return one;
  }

  it('keeps what a change does not say of a record, whether it is undefined or not there', async () => {
    const { root, host } = tree();
    cpSync(join(repo, 'spec/fixtures/state-v1/generations'), join(root, state, 'generations'), { recursive: true });
    const [{ manifest, record }] = (await readGenerations(host)) as [Generation];
    const { number } = manifest;
    const records = [{ number, state: 'retired' as const, wiring: undefined, edited: undefined, previous: undefined }];

    await run(host, open, intentOf(steps, { afterwards: { records, dropGenerations: [], dropPayloads: [], purge: false } }));

    assert.ok(record.wiring !== undefined);
    assert.deepEqual({ ...(await readGenerations(host))[0]?.record }, { ...record, state: 'retired' });
  });

  it('does its steps in order, leaves no journal, and writes one entry of the history', async () => {
    const { root, host } = tree();

    const outcome = await run(host);

    assert.deepEqual([outcome.result, outcome.leftovers], ['done', []]);
    assert.equal(readFileSync(join(root, 'etc/engine.toml'), 'utf8'), wired);
    assert.deepEqual(readdirSync(join(root, 'etc')).sort(), ['engine.toml', 'kata']);
    assert.deepEqual(await openEntries(host), []);
    const [entry, ...more] = await readHistory(host);
    assert.deepEqual([entry?.result, entry?.verb, more.length], ['done', 'install', 0]);
  });

  const gates: [what: string, gate: Partial<Gate>][] = [
    ['the gate refuses the result', { afterSteps: () => Promise.reject(refusal()) }],
    [
      'the gate refuses, and its evidence cannot be read either',
      { afterSteps: () => Promise.reject(refusal()), evidence: () => Promise.reject(new Error('no journal')) },
    ],
  ];
  for (const [what, gate] of gates)
    it(`where ${what}: everything is put back, and the history has why`, async () => {
      const { host, listing } = tree();
      const before = listing();

      const outcome = await run(host, { ...open, ...gate });

      assert.deepEqual([outcome.result, (outcome.error as KataError).code], ['undone', 'gate-failed']);
      assert.deepEqual(differences(before, listing()), []);
      const [entry] = await readHistory(host);
      assert.deepEqual([entry?.result, entry?.error?.code], ['undone', 'gate-failed']);
      assert.equal(entry?.evidence.length, 1);
    });

  it('stops at a signal between two steps, and puts back what it had done', async () => {
    const { host, listing } = tree();
    const before = listing();
    const stop = new AbortController();

    const outcome = await runTransaction(
      host,
      intentOf(steps),
      open,
      (event) => 'name' in event && event.name === 'file' && stop.abort(),
      stop.signal,
    );

    assert.deepEqual([outcome.result, (outcome.error as KataError).code], ['undone', 'interrupted']);
    assert.deepEqual(differences(before, listing()), []);
  });

  it('refuses a file that changed since the plan, and leaves that change', async () => {
    const { root, host, listing } = tree();
    writeFileSync(join(root, 'etc/engine.toml'), 'edited = true\n');
    const before = listing();

    const outcome = await run(host);

    assert.deepEqual([outcome.result, (outcome.error as KataError).code], ['undone', 'edited-meanwhile']);
    assert.deepEqual(differences(before, listing()), []);
  });

  it('reports what another program wrote during the change, and leaves it', async () => {
    const { root, host } = tree();
    const gate: Gate = {
      ...open,
      afterSteps: async () => {
        writeFileSync(join(root, 'etc/kata/new.conf'), 'theirs\n');
        throw refusal();
      },
    };

    const outcome = await run(host, gate);

    assert.equal(outcome.result, 'not-restored');
    assert.deepEqual(
      outcome.leftovers.map(({ path, retry }) => ({ path, retry })),
      [{ path: '/etc/kata/new.conf', retry: false }],
    );
    assert.equal(readFileSync(join(root, 'etc/kata/new.conf'), 'utf8'), 'theirs\n');
    assert.deepEqual(await openEntries(host), []);
  });

  it('a loss of power at any write leaves, after recover, exactly the old or exactly the new tree', async () => {
    const whole = tree();
    const old = whole.listing();
    const undisturbed = counting(whole.host);
    await run(undisturbed.host);
    const fresh = whole.listing();
    const commits = undisturbed.calls.findIndex((call) => call.endsWith('commit.json')) + 1;
    const all = undisturbed.calls.map((_, index) => index + 1);
    assert.ok(commits > 10 && commits < all.length, undisturbed.calls.join('\n'));

    for (const at of [commits, commits + 1, ...sample(all, 8, 'power')]) {
      const { host, listing } = tree();
      await run(losingPower(host, at).host).catch(() => undefined);

      await recover(host, here);

      const wanted = at <= commits ? old : fresh;
      assert.deepEqual(differences(wanted, listing()), [], `cut at ${at}: ${undisturbed.calls[at - 1]}`);
      assert.deepEqual(await openEntries(host), []);
    }
  });

  it('a recover that is cut off itself is finished by the next one', async () => {
    const whole = tree();
    const old = whole.listing();
    const undisturbed = counting(whole.host);
    await run(undisturbed.host);
    const first = fc.integer({ min: 4, max: 1 + undisturbed.calls.findIndex((call) => call.endsWith('commit.json')) });
    await fc.assert(
      fc.asyncProperty(first, fc.integer({ min: 1, max: 14 }), async (cut, again) => {
        const { host, listing } = tree();
        await run(losingPower(host, cut).host).catch(() => undefined);
        await recover(losingPower(host, again).host, here).catch(() => undefined);

        await recover(host, here);
        await recover(host, here);

        assert.deepEqual(differences(old, listing()), []);
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });

  it('one write that fails makes it undone, or done with the clean-up left for the next change', async () => {
    const [whole, finished] = [tree(), tree()];
    const old = whole.listing();
    const undisturbed = counting(whole.host);
    await run(undisturbed.host);
    await run(finished.host);
    const fresh = finished.listing();

    for (const at of sample(
      undisturbed.calls.map((_, index) => index + 1),
      8,
      'full',
    )) {
      const { host, listing } = tree();

      const { result, unfinished } = await run(failingOnce(host, at).host);
      await recover(host, here);

      assert.ok(['done', 'undone'].includes(result), `${undisturbed.calls[at - 1]}: ${result}`);
      assert.equal(unfinished === undefined || result === 'done', true);
      assert.deepEqual(differences(result === 'done' ? fresh : old, listing()), [], undisturbed.calls[at - 1]);
    }
  });

  it('a commit record that was written but could not be synced does not count: the change is undone, and stays so', async () => {
    const { root, host, listing } = tree();
    const before = listing();
    const unsynced: typeof host = {
      ...host,
      writeFile: async (path, ...rest) => {
        await host.writeFile(path, ...rest);
        if (path.endsWith('/commit.json')) throw Object.assign(new Error('sync failed'), { code: 'EIO' });
      },
    };
    // The journal stays where the undo cannot be finished: recover must not take the record for a commit then.
    const stubborn = { ...unsynced, unlink: (path: string) => refuseUnlink(unsynced, path) };

    const outcome = await run(stubborn);
    const record = existsSync(join(root, state, 'journal/1/commit.json'));
    await recover(host, here);

    assert.equal(outcome.result, 'not-restored');
    assert.equal(record, false);
    assert.deepEqual(differences(before, listing()), []);
  });

  it('an undo that fails keeps the journal, says so, and recover finishes it', async () => {
    const { root, host, listing } = tree();
    const before = listing();
    const faulty = openHost(root, { KATA_SYSEXT_FAILPOINT: 'commit/before=error' });
    const stubborn = { ...faulty, unlink: (path: string) => refuseUnlink(faulty, path) };

    const outcome = await run(stubborn);
    const waiting = await openHere(host, here);
    const planned = await plannedRecovery(host, 1, here);
    const settled = await recover(host, here);

    assert.equal(outcome.result, 'not-restored');
    assert.deepEqual(
      outcome.leftovers.map(({ path, retry }) => ({ path, retry })),
      [{ path: '/etc/kata/new.conf', retry: true }],
    );
    assert.deepEqual(waiting, [1]);
    assert.match(planned, /^undo change 1 \(install/);
    assert.deepEqual(
      settled.map(({ result }) => result),
      ['undone'],
    );
    assert.deepEqual(differences(before, listing()), []);
  });
});

function refusal(): KataError {
  return new KataError('gate-failed', { found: 'a fault', needed: 'none', next: 'look' });
}

function refuseUnlink(host: ChangeTree['host'], path: string): Promise<void> {
  return path === '/etc/kata/new.conf' ? Promise.reject(new Error('busy')) : host.unlink(path);
}

describe('recover', () => {
  let tree: ChangeTree;
  beforeEach(() => {
    tree = start();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));
  const journal = (name: string) => join(tree.root, state, 'journal', name);
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'no error',
      (error: { code?: string }) => error.code,
    );

  it('removes an entry without an intent that had begun nothing', async () => {
    mkdirSync(journal('3'), { recursive: true });

    const settled = await recover(tree.host, here);

    assert.deepEqual(settled, []);
    assert.ok(!existsSync(journal('3')));
  });

  it('leaves another deployment of this machine its own entry, and no generation of it is rubbish', async () => {
    mkdirSync(join(tree.root, 'ostree/deploy/os/deploy/other.0/etc'), { recursive: true });
    mkdirSync(join(tree.root, state, 'generations/5'));
    await begin(tree.host, intentOf([], { deployment: 'other.0', to: 5 }));

    const settled = await recover(tree.host, { ...here, deployment: 'this.0' });

    assert.deepEqual(settled, []);
    assert.ok(existsSync(journal('1/intent.json')));
    assert.ok(existsSync(join(tree.root, state, 'generations/5')));
    assert.deepEqual(await openHere(tree.host, { ...here, deployment: 'this.0' }), []);
  });

  it('drops the entry of a deployment that is gone, whose /etc went with it', async () => {
    mkdirSync(join(tree.root, 'ostree/deploy/os/deploy/this.0/etc'), { recursive: true });
    await begin(tree.host, intentOf([], { deployment: 'gone.0' }));

    const settled = await recover(tree.host, { ...here, deployment: 'this.0' });

    assert.deepEqual(
      settled.map(({ result }) => result),
      ['undone'],
    );
    assert.ok(!existsSync(journal('1')));
  });

  it("refuses another machine's entry, and touches nothing", async () => {
    await begin(tree.host, intentOf([], { machine: 'b'.repeat(32), deployment: 'single' }));
    const before = tree.listing();

    const refused = await code(recover(tree.host, { ...here, deployment: 'single' }));

    assert.equal(refused, 'journal-foreign');
    assert.deepEqual(differences(before, tree.listing()), []);
  });

  for (const lost of ['intent.json', 'step-0.json'])
    it(`guesses nothing where ${lost} of a begun change is gone`, async () => {
      await begin(tree.host, intentOf(steps));
      for (const index of [0, 1]) await writeStep(tree.host, 1, index, { existed: false });
      rmSync(journal(`1/${lost}`));
      const before = tree.listing();

      const refused = await code(recover(tree.host, here));

      assert.equal(refused, 'not-restored');
      assert.deepEqual(differences(before, tree.listing()), []);
      assert.ok(existsSync(journal('1')));
    });

  it('does not take a commit record for one that leads nowhere', async () => {
    await begin(tree.host, intentOf([]));
    symlinkSync('/nowhere', journal('1/commit.json'));

    const refused = await code(recover(tree.host, here));

    assert.equal(refused, 'state-damaged');
  });
});
