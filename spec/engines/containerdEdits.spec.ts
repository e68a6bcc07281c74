import assert from 'node:assert/strict';
import type { Wiring } from '../../cli/engines/types.ts';
import { type EngineTree, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { main, newText, oldId, plan } from './containerdPlans.ts';

describe('engines/containerd: plans', () => {
  const engineTree = treesOfSpec();

  describe('engines/containerd: what others edit meanwhile', () => {
    async function installed(
      version: string,
      text = 'version = 2\n[debug]\nlevel = "info"\n',
    ): Promise<{ tree: EngineTree; wiring: Wiring }> {
      const tree = await engineTree({ [main]: text });
      const install = await plan(tree, version, ['kata-qemu']);
      await tree.apply(install);
      assert.ok(install.wiring);
      return { tree, wiring: install.wiring };
    }

    it('leaves exactly their edits in the main file', async () => {
      const { tree, wiring } = await installed('1.7.24');
      const edited = (await tree.read(main)).replace('"info"', '"debug" # theirs').replace(/$/, '\n[metrics]\naddress = ""\n');
      await tree.write(main, edited);

      const remove = await plan(tree, '1.7.24', [], wiring);
      await tree.apply(remove);

      assert.equal(await tree.read(main), 'version = 2\n[debug]\nlevel = "debug" # theirs\n\n[metrics]\naddress = ""\n');
      assert.deepEqual(remove.findings, []);
    });

    it('replaces its block in place between theirs', async () => {
      const { tree, wiring } = await installed('1.7.24');
      await tree.write(main, `${await tree.read(main)}# theirs below\n`);

      const change = await plan(tree, '1.7.24', ['kata-clh'], wiring);
      await tree.apply(change);
      const text = await tree.read(main);
      await tree.apply(await plan(tree, '1.7.24', [], change.wiring));

      assert.match(text, /kata-clh[\s\S]*# END kata-sysext\n# theirs below\n$/);
      assert.doesNotMatch(text, /kata-qemu/);
      assert.equal(await tree.read(main), 'version = 2\n[debug]\nlevel = "info"\n# theirs below\n');
    });

    it('keeps a changed drop-in and says so', async () => {
      const { tree, wiring } = await installed('2.1.9');
      const dropIn = '/etc/containerd/kata-sysext.toml';
      await tree.write(dropIn, `${await tree.read(dropIn)}# theirs\n`);

      const same = await plan(tree, '2.1.9', ['kata-qemu'], wiring);
      const other = await refusalOf(plan(tree, '2.1.9', ['kata-clh'], wiring));
      const remove = await plan(tree, '2.1.9', [], wiring);
      await tree.apply(remove);

      assert.deepEqual(same.changes, []);
      assert.equal(same.wiring?.key, wiring.key);
      assert.equal(other, 'foreign-edit');
      assert.deepEqual(
        remove.findings.map((finding) => [finding.code, finding.level, finding.subject]),
        [['foreign-edit', 'warning', dropIn]],
      );
      assert.match(await tree.read(dropIn), /# theirs\n$/);
      assert.equal(await tree.read(main), 'version = 2\n[debug]\nlevel = "info"\n');
    });

    it('guesses nothing about a changed block', async () => {
      const { tree, wiring } = await installed('1.7.24');
      await tree.write(
        main,
        (await tree.read(main)).replace('privileged_without_host_devices = true', 'privileged_without_host_devices = false'),
      );
      const before = tree.everything();

      const remove = await plan(tree, '1.7.24', [], wiring);
      await tree.apply(remove);

      assert.deepEqual(tree.everything(), before);
      assert.deepEqual(
        remove.findings.map((finding) => finding.level),
        ['warning'],
      );
    });

    it('writes anew what somebody removed, and has nothing to remove at the end', async () => {
      const { tree, wiring } = await installed('1.7.24');
      await tree.write(main, 'version = 2\n');

      const repair = await plan(tree, '1.7.24', ['kata-qemu'], wiring);
      const remove = await plan(tree, '1.7.24', [], wiring);

      assert.deepEqual(
        repair.changes.map((change) => change.path),
        [main],
      );
      assert.equal(repair.wiring?.key, wiring.key);
      assert.deepEqual(remove.changes, []);
      assert.deepEqual(
        [...repair.findings, ...remove.findings].map((finding) => finding.code),
        ['foreign-edit', 'foreign-edit'],
      );
    });

    it('takes its text out of a file that somebody broke', async () => {
      const { tree, wiring } = await installed('1.7.24');
      await tree.write(main, `[[[broken\n${await tree.read(main)}`);

      await tree.apply(await plan(tree, '1.7.24', [], wiring));

      assert.equal(await tree.read(main), '[[[broken\nversion = 2\n[debug]\nlevel = "info"\n');
    });

    it('keeps its block when containerd goes from 1.x to 2.x, and moves it when the schema does', async () => {
      const { tree, wiring } = await installed(
        '1.7.24',
        `version = 2\n[plugins."${oldId}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`,
      );

      const newer = await plan(tree, '2.1.9', ['kata-qemu'], wiring);
      await tree.write(main, (await tree.read(main)).replace('version = 2', 'version = 3'));
      const migrated = await plan(tree, '2.1.9', ['kata-qemu'], wiring);

      assert.deepEqual(newer.changes, []);
      assert.equal(newer.wiring?.key, wiring.key);
      assert.notEqual(migrated.wiring?.key, wiring.key);
      assert.match(newText(migrated.changes.at(-1)), /version = 3/);
    });

    it('goes from a drop-in to a block when containerd goes back to 1.x', async () => {
      const { tree, wiring } = await installed('2.1.9');

      const older = await plan(tree, '1.7.24', ['kata-qemu'], wiring);
      await tree.apply(older);
      await tree.apply(await plan(tree, '1.7.24', [], older.wiring));

      assert.equal(older.wiring?.method, 'range');
      assert.equal(await tree.read(main), 'version = 2\n[debug]\nlevel = "info"\n');
      assert.equal(await tree.host.stat('/etc/containerd/kata-sysext.toml'), undefined);
    });
  });
});
