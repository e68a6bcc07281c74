import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { confirmAfterBoot } from '../../cli/bootGuard/healthCheck/confirm.ts';
import { endAfter } from '../support/endings.ts';
import { refusal } from '../support/fakeCri.ts';
import { needs } from '../support/needs.ts';
import { repo } from '../support/program.ts';
import { type GuardedTree, guardedTree, installGuarded } from '../support/trees/guardedTree.ts';
import type { TreeHost } from '../support/trees/treeHost.ts';

const dropIn = (phase: string) => `etc/systemd/system/kata-sysext-${phase}.service.d/50-blessed.conf`;
const failed = { activeState: 'failed', mainPid: 0 } as const;

describe('the third phase', function () {
  this.timeout(600_000);
  let installed: TreeHost;
  let guarded: GuardedTree;
  before(async function () {
    needs(this, 'root');
    installed = await installGuarded();
  });
  endAfter(
    () => installed,
    (tree) => tree.remove(),
  );
  beforeEach(async () => {
    guarded = await guardedTree();
  });
  afterEach(() => guarded.remove());

  const confirm = (signal?: AbortSignal) => confirmAfterBoot(guarded.context(signal), guarded.clock);
  const restarts = () => guarded.systemd.calls.filter((call) => call.startsWith('restart ')).length;
  /** The engine serves in the rounds, one for each start, that `serves` says; the first round is that of the boot. */
  function serving(serves: (round: number) => boolean): void {
    const up = () => serves(restarts());
    guarded.unit = () => (up() ? { invocationId: `run ${restarts()}` } : failed);
    guarded.cri.answers['Version'] = () => {
      if (!up()) throw refusal('connection refused', 14);
      return { runtime_name: 'containerd', runtime_version: '2.1.0' };
    };
  }

  it('blesses a generation whose engine serves for 10 s: the record says so, and both drop-ins', async () => {
    const { from, to, notes } = await confirm();

    const texts = ['recover', 'rewire'].map((phase) => readFileSync(guarded.tree.path(dropIn(phase)), 'utf8'));
    assert.deepEqual([from, to, notes], [1, 1, ['generation 1 is blessed on this system']]);
    assert.deepEqual([guarded.record().state, guarded.record().blessed?.deployment], ['blessed', 'single']);
    assert.match(texts[0]!, /^ExecCondition=\/bin\/sh -c /m);
    assert.equal(texts[0], texts[1]);
    assert.ok(guarded.clock.seconds() >= 10);
  });

  it('watches nothing again where the same system was blessed', async () => {
    await confirm();
    const seconds = guarded.clock.seconds();

    const { notes } = await confirm();

    assert.deepEqual([notes, guarded.clock.seconds()], [['already blessed'], seconds]);
  });

  it('has nothing to do where no generation is active', async () => {
    rmSync(guarded.tree.path('etc/kata-sysext/current'));

    assert.deepEqual(await confirm(), { recovered: [], notes: ['no generation is active'] });
  });

  it('an engine that does not come up with the wiring, twice, gets its own configuration back', async () => {
    serving((round) => round === 1);

    const { to, notes } = await confirm();

    assert.deepEqual([to, guarded.isWired(), guarded.record().state, restarts()], [undefined, false, 'failed', 3]);
    assert.match(notes[0]!, /connection refused/);
    assert.equal(guarded.isActive(), false);
  });

  it('an engine that does not come up without it either gets the wiring back, and is not blessed', async () => {
    serving(() => false);

    const { to, notes } = await confirm();

    assert.deepEqual([to, guarded.isWired(), restarts()], [1, true, 2]);
    assert.equal(notes.at(-1), 'containerd does not come up without the wiring either, so the wiring is back');
    assert.equal(guarded.record().blessed, undefined);
  });

  it('an engine whose fault has passed is started with the wiring once more, watched, and blessed', async () => {
    serving((round) => round > 0);

    const { to, notes } = await confirm();

    assert.deepEqual([to, guarded.isWired(), guarded.record().state, restarts()], [1, true, 'blessed', 2]);
    assert.deepEqual(notes, ['generation 1 is blessed on this system']);
    assert.ok(guarded.said.some((text) => text.includes('comes up with the wiring as well by now')));
  });

  it('an engine that was never started says nothing: nothing is changed', async () => {
    const record = guarded.record();
    guarded.pace = 60;
    guarded.unit = () => ({ activeState: 'inactive', activeEnterMs: 0, mainPid: 0 });
    guarded.cri.answers['Version'] = () => {
      throw refusal('connection refused', 14);
    };

    const { to, notes } = await confirm();

    assert.match(notes.join(), /^not blessed: .*connection refused/);
    assert.deepEqual([to, guarded.isWired(), restarts(), guarded.record()], [1, true, 0, record]);
  });

  it('an engine without the handlers is not blessed, and not touched', async () => {
    guarded.pace = 60;
    guarded.cri.handlers = ['runc'];

    const { notes } = await confirm();

    assert.match(notes.join(), /^not blessed: the CRI does not list kata-/);
    assert.deepEqual([guarded.isWired(), restarts()], [true, 0]);
  });

  it('a health check of the administrator’s that failed keeps the generation from being blessed', async () => {
    guarded.others['greenboot-healthcheck.service'] = { activeState: 'failed' };

    const { notes } = await confirm();

    assert.deepEqual(notes, ['not blessed: greenboot-healthcheck.service has failed']);
    assert.equal(existsSync(guarded.tree.path(dropIn('recover'))), false);
  });

  it('waits for an update that runs, and blesses when that has ended', async () => {
    const lock = guarded.tree.path('var/lib/dpkg/lock-frontend');
    mkdirSync(dirname(lock), { recursive: true });
    writeFileSync(lock, '');
    const holder = spawn('flock', [lock, 'sh', '-c', 'echo held; exec sleep 3'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(holder.stdout, 'data');

    const { notes } = await confirm();

    assert.deepEqual([notes, holder.exitCode], [['generation 1 is blessed on this system'], 0]);
  });

  it('a generation whose handler is the engine’s default keeps its wiring, and the engine gets another start', async () => {
    const handler = guarded.cri.handlers[1]!;
    const table = `\n[plugins."io.containerd.grpc.v1.cri".containerd]\n  default_runtime_name = "${handler}"\n`;
    appendFileSync(guarded.tree.path('etc/containerd/config.toml'), table);
    serving((round) => round > 0);

    const { to } = await confirm();

    assert.deepEqual([to, guarded.isWired(), restarts(), guarded.record().state], [1, true, 1, 'blessed']);
    assert.match(guarded.said.join(), /should be rolled back .* and stays as it is/);
  });

  it('a signal says nothing about the engine', async () => {
    serving(() => false);
    guarded.unit = () => ({ activeState: 'activating' });

    const { to, notes } = await confirm(AbortSignal.abort());

    assert.deepEqual([to, notes, guarded.isWired(), restarts()], [1, ['not blessed: interrupted'], true, 0]);
  });

  it('an engine that is restarted after each watch is not watched for ever: it ends before its unit’s time is over', async () => {
    const lock = guarded.tree.path('var/lib/kata-sysext/lock');
    guarded.pace = 280;
    // Watched without the lock, and blessed with it.
    guarded.unit = () => ({ invocationId: spawnSync('flock', ['--nonblock', lock, 'true']).status === 0 ? 'watched' : 'another' });
    const unit = readFileSync(`${repo}/units/kata-sysext-confirm.service`, 'utf8');
    const maxSeconds = Number(/^RuntimeMaxSec=(\d+)$/m.exec(unit)![1]);

    const { notes } = await confirm();

    assert.deepEqual(notes, ['not blessed: the engine restarted again and again']);
    assert.ok(guarded.clock.seconds() < maxSeconds, `${guarded.clock.seconds()} s`);
    assert.equal(existsSync(guarded.tree.path(dropIn('recover'))), false);
  });
});
