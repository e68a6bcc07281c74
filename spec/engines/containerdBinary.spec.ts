import assert from 'node:assert/strict';
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { valueAt } from '../../cli/documents/toml/index.ts';
import { containerd } from '../../cli/engines/containerd/index.ts';
import type { Instance } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { openView } from '../../cli/host/index.ts';
import { engineFiles } from '../support/engineFiles.ts';
import { containerdBinaries } from '../support/live/containerdBinary.ts';
import { handlerNames, machine, pluginIds, prepared, roundByDump, wantedHandlers } from '../support/live/containerdRounds.ts';
import { engineTree } from '../support/trees/engineTree.ts';

const binaries = containerdBinaries();
const live = machine;
const names = handlerNames;
const wanted = wantedHandlers;

function runcPath(dump: Record<string, unknown>): string[] {
  const paths = pluginIds.map((id) => ['plugins', id, 'containerd', 'runtimes', 'runc']);
  return paths.find((path) => valueAt(dump, path) !== undefined) ?? [];
}

/** True for an option of runc whose value in the dump is zero, as if it were not written. */
function isZero(dump: Record<string, unknown>, path: string): boolean {
  const [, option] = /runtimes\.runc\.options\.(\w+)$/.exec(path) ?? [];
  return option !== undefined && ['', 0, false].includes(valueAt(dump, [...runcPath(dump), 'options', option]) as string);
}

describe('engines/containerd: judged by the real binary', () => {
  before(function () {
    if (binaries.length > 0) return;
    console.log('      skipped: containerd is missing (apt-get install containerd)');
    this.skip();
  });

  for (const binary of binaries) {
    it(`${binary.version}: whole files, installed, changed and removed, differ in our handlers only`, async function () {
      this.timeout(900_000);
      let judged = 0;
      for (const { name: file, bytes } of engineFiles('containerd')) {
        try {
          const outcome = await roundByDump(binary, { '/etc/containerd/config.toml': bytes.toString() });
          if (!outcome.startsWith('engine-')) judged++;
          assert.notEqual(outcome, 'refused by the binary');
        } catch (error) {
          throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
        }
      }
      assert.ok(judged >= 12, `${judged} files`);
    });

    it(`${binary.version}: no main file at all`, async () => {
      const { tree, instance, scratch, apply } = await prepared(binary, { '/x': '' });
      const before = await containerd.dump!.dumpEffective(live, instance);

      const install = await containerd.plan(live, instance, wanted);
      const foretold = await containerd.dump!.validate(live, instance, install, scratch);
      await apply(install);
      const real = containerd.dump!.compare(before, await containerd.dump!.dumpEffective(live, instance), names);
      const gone = await containerd.dump!.validate(live, instance, await containerd.plan(live, instance, [], install.wiring), scratch);
      await tree.remove();

      assert.deepEqual([foretold.others, real.others, gone.others], [[], [], []]);
      assert.ok(gone.ours.length > 0);
    });

    it(`${binary.version}: the edit for an unknown version is right`, async () => {
      const named = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n';
      for (const text of ['version = 2\n', `version = 2\n${named}`, '']) {
        const { tree, instance } = await prepared(binary, { '/etc/containerd/config.toml': text });
        const before = await containerd.dump!.dumpEffective(live, instance);
        const offline: Instance = { engine: 'containerd', configPath: '/etc/containerd/config.toml', socket: '' };

        const plan = await containerd.plan(openView(tree.root, {}), offline, wanted);
        await tree.apply(plan);
        const after = await containerd.dump!.dumpEffective(live, instance);
        const diff = containerd.dump!.compare(before, after, names);
        await tree.remove();

        assert.equal(plan.wiring?.method, 'range');
        assert.ok(diff.ours.length > 0);
        // 1.x prints the zero values of its built-in runc and not those of a written one; it fills an empty sandbox_mode when it starts.
        assert.deepEqual(
          diff.others.filter((path) => path !== 'version' && !isZero(before, path) && !path.endsWith('runtimes.runc.sandbox_mode')),
          [],
        );
        assert.equal(valueAt(after, [...runcPath(after), 'runtime_type']), 'io.containerd.runc.v2');
      }
    });

    it(`${binary.version}: tells other differences by their key paths, without values`, async () => {
      const { tree, instance } = await prepared(binary, { '/etc/containerd/config.toml': 'version = 2\noom_score = 1\n' });
      const before = await containerd.dump!.dumpEffective(live, instance);
      await tree.write('/etc/containerd/config.toml', 'version = 2\noom_score = 2\n');

      const diff = containerd.dump!.compare(before, await containerd.dump!.dumpEffective(live, instance), names);
      await tree.remove();

      assert.deepEqual(diff, { ours: [], others: ['oom_score'], warnings: [] });
    });

    it(`${binary.version}: says what the binary says of a file that it refuses`, async () => {
      const { tree, instance } = await prepared(binary, { '/etc/containerd/config.toml': 'version = 2\n[[[\n' });

      await assert.rejects(
        containerd.dump!.dumpEffective(live, instance),
        (error) => error instanceof KataError && error.code === 'engine-config-invalid',
      );

      await tree.remove();
    });
  }
});

describe('engines/containerd: pending edits', () => {
  it('names exactly the files that are newer than the process', async () => {
    const files = {
      '/etc/containerd/config.toml': 'version = 3\nimports = ["conf.d/*.toml"]\n',
      '/etc/containerd/conf.d/a.toml': '',
      '/etc/containerd/conf.d/b.toml': '',
      '/usr/bin/containerd': '',
    };
    const tree = await engineTree(files);
    const startedMs = Date.now() - 60_000;
    const old = startedMs / 1000 - 10;
    for (const path of [...Object.keys(files), '/etc/containerd/conf.d', '/etc/containerd']) utimesSync(join(tree.root, path), old, old);
    const instance: Instance = {
      engine: 'containerd',
      version: '2.1.9',
      binary: '/usr/bin/containerd',
      configPath: '/etc/containerd/config.toml',
      socket: '',
      process: { pid: 1, startedMs, binaryReplaced: false },
    };
    const subjects = async (one: Instance) => (await containerd.daemon!.pendingRestarts(tree.host, one)).map((finding) => finding.subject);

    const quiet = await subjects(instance);
    await tree.write('/etc/containerd/conf.d/b.toml', '# theirs\n');
    const edited = await subjects(instance);
    await tree.write('/etc/containerd/conf.d/c.toml', '');
    const added = await subjects(instance);
    const replaced = await subjects({ ...instance, process: { pid: 1, startedMs: Date.now() + 1000, binaryReplaced: true } });
    const soon = (Date.now() + 3_600_000) / 1000;
    for (const path of ['/etc/containerd/config.toml', '/usr/bin/containerd']) utimesSync(join(tree.root, path), soon, soon);
    const toCome = await subjects({ ...instance, process: { pid: 1, startedMs: Date.now(), binaryReplaced: false } });
    const stopped = await subjects({ engine: 'containerd', configPath: instance.configPath, socket: '' });
    await tree.remove();

    assert.deepEqual(quiet, []);
    assert.deepEqual(edited, ['/etc/containerd/conf.d/b.toml']);
    assert.deepEqual(added, ['/etc/containerd/conf.d/b.toml', '/etc/containerd/conf.d/c.toml', '/etc/containerd/conf.d']);
    assert.deepEqual(replaced, ['/usr/bin/containerd']);
    assert.deepEqual(toCome, [], 'a time to come is behind no restart');
    assert.deepEqual(stopped, []);
  });
});
