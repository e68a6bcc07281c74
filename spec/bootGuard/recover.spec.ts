import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { recoverAtBoot } from '../../cli/bootGuard/recoverAtBoot.ts';
import { rewireAtBoot } from '../../cli/bootGuard/rewire.ts';
import type { KataError } from '../../cli/errors/index.ts';
import type { Host } from '../../cli/host/index.ts';
import { endAfter } from '../support/endings.ts';
import { needs } from '../support/needs.ts';
import { type GuardedTree, guardedTree, installGuarded } from '../support/trees/guardedTree.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost } from '../support/trees/treeHost.ts';

const state = 'var/lib/kata-sysext';
const mark = 'run/kata-sysext/boot';
const pointer = 'etc/kata-sysext/current';
const confirmUnit = 'kata-sysext-confirm.service';

describe('the first phase', function () {
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
    placeConfirm();
  });
  afterEach(() => guarded.remove());

  /** A program that runs from its sources places no units. */
  function placeConfirm(): void {
    const units = 'etc/systemd/system';
    put(guarded.tree.root, `${units}/${confirmUnit}`, '# kata-sysext\n[Service]\nExecStart=/bin/true\n');
    put(guarded.tree.root, `${units}/multi-user.target.wants/${confirmUnit}`, '');
  }
  const path = (name: string) => guarded.tree.path(name);
  const boots = () => JSON.stringify(guarded.record()).match(/"boots":(\d+)/)?.[1] ?? '0';
  /** A boot as far as the first phase sees it: another number, an empty /run, and PID 1 that answers nothing. */
  async function boot(id: string, more: Partial<Host> = {}) {
    put(guarded.tree.root, 'proc/sys/kernel/random/boot_id', `${id}\n`);
    rmSync(path('run/kata-sysext'), { recursive: true, force: true });
    guarded.host = { ...guarded.host, live: false, systemd: async () => undefined, ...more };
    return recoverAtBoot(guarded.context());
  }

  it('leaves its mark for the later phases, and counts the boot as a try once', async () => {
    const { from, to, notes } = await boot('a');
    const once = boots();
    await boot('a');

    assert.deepEqual([from, to, notes], [1, 1, ['generation 1 suits this system']]);
    assert.deepEqual([once, boots(), readFileSync(path(mark), 'utf8')], ['1', '1', 'recovered\n']);
  });

  it('a generation that is not blessed in three boots is rolled back at the fourth', async () => {
    for (const id of ['a', 'b', 'c']) assert.equal((await boot(id)).to, 1);

    const { to, notes } = await boot('d');

    assert.deepEqual([to, notes], [undefined, ['generation 1 was not blessed in 3 boots']]);
    assert.deepEqual([guarded.isWired(), guarded.isActive(), guarded.record().state], [false, false, 'failed']);
  });

  it('no boot counts where the third phase is masked', async () => {
    rmSync(path(`etc/systemd/system/${confirmUnit}`));
    symlinkSync('/dev/null', path(`etc/systemd/system/${confirmUnit}`));

    for (const id of ['a', 'b', 'c', 'd', 'e']) assert.equal((await boot(id)).to, 1);

    assert.equal(boots(), '0');
  });

  it('a boot that cannot be counted is looked after all the same', async () => {
    const { writeFile } = guarded.host;
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });

    const { to } = await boot('a', {
      writeFile: (...args) => (args[0].endsWith('/record.json') ? Promise.reject(full) : writeFile(...args)),
    });

    assert.equal(to, 1);
    assert.match(guarded.said.join(), /this boot is not counted as a try: .*no space left/);
  });

  function removeFile(): void {
    const { payloadFolder } = JSON.parse(readFileSync(path(`${state}/generations/1/manifest.json`), 'utf8')) as { payloadFolder: string };
    rmSync(path(`${payloadFolder.replace(/^\/usr\/local\//, '/var/usrlocal/')}/VERSION`));
  }

  it('a file of the payload that is gone takes the wiring out', async () => {
    removeFile();

    const { to, notes } = await boot('a');

    assert.deepEqual([to, guarded.isWired()], [undefined, false]);
    assert.match(notes.join(), /are missing or changed/);
  });

  it('a generation whose change was never finished is rolled back', async () => {
    const record = path(`${state}/generations/1/record.json`);
    writeFileSync(record, JSON.stringify({ ...guarded.record(), state: 'preparing' }));

    const { to, notes } = await boot('a');

    assert.deepEqual([to, guarded.isWired()], [undefined, false]);
    assert.match(notes.join(), /was never finished/);
  });

  it('the generation that was blessed last comes back', async () => {
    const record = path(`${state}/generations/1/record.json`);
    writeFileSync(
      record,
      JSON.stringify({ ...guarded.record(), state: 'blessed', blessed: { at: '2026-01-01T00:00:00.000Z', deployment: 'single' } }),
    );
    const bytes = readFileSync(path('etc/containerd/config.toml'), 'utf8');
    await guarded.tree.json(['install', (await releases()).second]);
    placeConfirm();
    for (const id of ['a', 'b', 'c']) assert.equal((await boot(id)).to, 2);

    const { from, to } = await boot('d');

    assert.deepEqual([from, to, readlinkSync(path(pointer))], [2, 1, '/usr/local/libexec/kata-sysext/generations/1']);
    assert.equal(readFileSync(path('etc/containerd/config.toml'), 'utf8'), bytes);
  });

  it('the engine’s default handler stays, whatever speaks against it: without it no pod at all would start', async () => {
    const { handlers } = JSON.parse(readFileSync(path(`${state}/generations/1/manifest.json`), 'utf8')) as { handlers: { name: string }[] };
    const table = `\n[plugins."io.containerd.grpc.v1.cri".containerd]\n  default_runtime_name = "${handlers[0]!.name}"\n`;
    appendFileSync(path('etc/containerd/config.toml'), table);
    for (const id of ['a', 'b', 'c']) await boot(id);

    const { code, complaint } = (await boot('d').catch((reason: unknown) => reason)) as KataError;

    assert.equal(code, 'handler-is-default');
    assert.match(complaint.found, /^generation 1 should be rolled back \(generation 1 was not blessed in 3 boots\), and stays as it is: /);
    assert.match(complaint.next, /kata-sysext uninstall$/);
    assert.ok(guarded.isWired() && guarded.isActive());
  });

  it('nothing is changed where no generation is active, or where the pointer leads to none', async () => {
    const bytes = readFileSync(path('etc/containerd/config.toml'), 'utf8');
    rmSync(path(pointer));
    const none = await boot('a');
    symlinkSync(`/${state}/generations/9`, path(pointer));
    const dangling = await boot('b');

    assert.deepEqual(none.notes, ['no generation is active']);
    assert.match(dangling.notes.join(), /points at .*\/generations\/9, where no generation is; nothing is changed$/);
    assert.equal(readFileSync(path('etc/containerd/config.toml'), 'utf8'), bytes);
  });

  describe('with an engine that a system extension brings', () => {
    const parts = ['etc/systemd/system/containerd.service', 'var/opt/engine/containerd'];
    const mergeEngine = (merged: boolean) => {
      for (const part of parts) renameSync(path(merged ? `${part}.hidden` : part), path(merged ? part : `${part}.hidden`));
    };
    /** The extension is merged between the phases. */
    async function bootBoth(id: string) {
      placeConfirm();
      mergeEngine(false);
      const first = await boot(id);
      const between = { wired: guarded.isWired(), mark: readFileSync(path(mark), 'utf8') };
      mergeEngine(true);
      return { first, between, second: await rewireAtBoot(guarded.context()) };
    }

    it('three boots count, and the second phase of the fourth rolls back', async () => {
      for (const id of ['a', 'b', 'c']) assert.equal((await bootBoth(id)).second.to, 1);
      const counted = boots();

      const { first, between, second } = await bootBoth('d');

      assert.deepEqual([counted, first.to, between], ['3', 1, { wired: true, mark: '' }]);
      assert.deepEqual([second.to, second.notes], [undefined, ['generation 1 was not blessed in 3 boots']]);
      assert.deepEqual([guarded.isWired(), guarded.isActive(), guarded.record().state], [false, false, 'failed']);
      assert.match(guarded.said.join('\n'), /the rollback waits for the second phase of this boot[\s\S]*no generation is active now$/);
    });

    it('a file of the payload that is gone takes the wiring out in the second phase', async () => {
      removeFile();

      const { first, between, second } = await bootBoth('a');

      assert.deepEqual([first.to, between.wired, second.to, guarded.isWired()], [1, true, undefined, false]);
      assert.match(second.notes.join(), /are missing or changed/);
      assert.equal(boots(), '0');
    });

    it('a boot counts once where the second phase finds that the generation suits', async () => {
      const record = path(`${state}/generations/1/record.json`);
      const { payloadFolder } = JSON.parse(readFileSync(path(`${state}/generations/1/manifest.json`), 'utf8')) as { payloadFolder: string };
      const file = path(`${payloadFolder.replace(/^\/usr\/local\//, '/var/usrlocal/')}/VERSION`);
      const active = readFileSync(record, 'utf8');
      renameSync(file, `${file}.away`);
      mergeEngine(false);
      await boot('a');
      mergeEngine(true);
      renameSync(`${file}.away`, file);

      const once = await rewireAtBoot(guarded.context());
      await rewireAtBoot(guarded.context());

      assert.deepEqual([once.to, boots(), guarded.isWired()], [1, '1', true]);
      assert.notEqual(readFileSync(record, 'utf8'), active);
    });

    it('one that is really gone leaves the wiring as it is, until it is back', async () => {
      for (const id of ['a', 'b', 'c']) await bootBoth(id);
      placeConfirm();
      mergeEngine(false);
      await boot('d');

      const { to, notes } = await rewireAtBoot(guarded.context());
      const after = { mark: readFileSync(path(mark), 'utf8'), wired: guarded.isWired(), boots: boots() };
      mergeEngine(true);
      const { second } = await bootBoth('e');

      assert.equal(to, 1);
      assert.match(notes.join('\n'), /is not on this system; nothing is changed$/);
      assert.match(guarded.said.join('\n'), /generation 1 stays active, because no engine reads its wiring/);
      assert.deepEqual(after, { mark: 'recovered\n', wired: true, boots: '3' });
      assert.deepEqual([second.to, guarded.isWired()], [undefined, false]);
    });
  });
});
