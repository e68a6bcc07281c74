import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import toml from '@iarna/toml';
import fc from 'fast-check';
import { compareDumps } from '../../cli/engines/crio/dump.ts';
import { crio } from '../../cli/engines/crio/index.ts';
import { engineFiles } from '../support/engineFiles.ts';
import { treesOfSpec } from '../support/trees/engineTree.ts';
import { folder, instance, main, ours, packaged, plan, runtimesIn, whole } from './crioPlans.ts';

describe('engines/crio: plans', () => {
  const engineTree = treesOfSpec();

  it('writes one file of ours and takes it away again', async () => {
    const tree = await engineTree({ [`${folder}/10-crio.conf`]: packaged });
    const before = tree.everything();

    const install = await plan(tree, ['kata-qemu', 'kata-clh']);
    await tree.apply(install);
    const text = await tree.read(ours);
    const again = await plan(tree, ['kata-qemu', 'kata-clh'], install.wiring);
    const removal = await plan(tree, [], install.wiring);
    await tree.apply(removal);

    assert.equal(text, whole);
    assert.deepEqual([again.changes, again.wiring], [[], install.wiring]);
    assert.deepEqual(tree.everything(), before);
    assert.equal(removal.wiring, undefined);
  });

  it('changes only its own file when handlers come and go', async () => {
    const tree = await engineTree({ [`${folder}/10-crio.conf`]: packaged });
    const install = await plan(tree, ['kata-qemu']);
    await tree.apply(install);

    const more = await plan(tree, ['kata-qemu', 'kata-clh'], install.wiring);
    await tree.apply(more);
    const fewer = await plan(tree, ['kata-clh'], more.wiring);
    await tree.apply(fewer);

    assert.deepEqual(
      [more, fewer].flatMap((one) => one.changes.map((change) => change.path)),
      [ours, ours],
    );
    assert.deepEqual(Object.keys(runtimesIn(await tree.read(ours))), ['kata-clh']);
    assert.notEqual(install.wiring?.key, more.wiring?.key);
  });

  it('keeps its temporary file out of the folder, whose every file CRI-O reads', async () => {
    const tree = await engineTree({ [`${folder}/10-crio.conf`]: packaged });

    const { changes } = await plan(tree, ['kata-qemu']);
    const above = await plan(tree, ['kata-qemu'], undefined, { configFolder: '/etc' });

    assert.deepEqual(
      changes.map((change) => change.tmpDir),
      ['/etc/kata-sysext'],
    );
    assert.deepEqual(
      above.changes.map((change) => change.tmpDir),
      ['/'],
    );
  });

  it('makes the folder where it is missing, and drops it when it is empty', async () => {
    const tree = await engineTree({ [main]: packaged });
    const before = tree.everything();

    const install = await plan(tree, ['kata-qemu']);
    await tree.apply(install);
    const upgrade = await plan(tree, ['kata-qemu', 'kata-clh'], install.wiring);
    await tree.apply(upgrade);
    const removal = await plan(tree, [], upgrade.wiring);
    await tree.apply(removal);

    assert.deepEqual(install.makeFolders, [{ path: folder, mode: 0o755 }]);
    assert.deepEqual(upgrade.wiring?.folders, [folder]);
    assert.deepEqual(removal.dropFolders, [folder]);
    assert.deepEqual(tree.everything(), before);
  });

  it('leaves a folder that others use meanwhile', async () => {
    const tree = await engineTree({ [main]: packaged });
    const install = await plan(tree, ['kata-qemu']);
    await tree.apply(install);
    await tree.write(`${folder}/99-admin.conf`, '[crio.runtime]\nlog_level = "debug"\n');

    await tree.apply(await plan(tree, [], install.wiring));

    assert.deepEqual(readdirSync(join(tree.root, folder)), ['99-admin.conf']);
  });

  it('follows a link above the folder to where the file really goes', async () => {
    const tree = await engineTree({ '/var/etc-crio/crio.conf.d/10.conf': packaged });
    await symlink('/var/etc-crio', join(tree.root, 'etc/crio')).catch(async () => {
      await mkdir(join(tree.root, 'etc'));
      await symlink('/var/etc-crio', join(tree.root, 'etc/crio'));
    });

    const { changes } = await plan(tree, ['kata-qemu']);

    assert.deepEqual(
      changes.map((change) => change.path),
      ['/var/etc-crio/crio.conf.d/50-kata-sysext.conf'],
    );
  });

  it('says by any path exactly that path, and nothing besides', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), async (a, b) => {
        const tree = await engineTree();
        const wanted = {
          name: 'kata-x',
          shim: `/${a.replaceAll('\0', '')}/containerd-shim-kata-v2`,
          configuration: `/${b.replaceAll('\0', '')}`,
        };

        const { changes } = await crio.plan(tree.host, instance(), [wanted]);

        const text = (changes[0]!.after as { text: string }).text;
        assert.deepEqual(Object.keys(toml.parse(text)), ['crio']);
        const runtimes = runtimesIn(text);
        assert.deepEqual(Object.keys(runtimes), ['kata-x']);
        assert.deepEqual(
          [runtimes['kata-x']!['runtime_path'], runtimes['kata-x']!['runtime_config_path']],
          [wanted.shim, wanted.configuration],
        );
      }),
      { numRuns: 50 },
    );
  });

  it('installs beside every file of others, and leaves each as it was', async () => {
    const files = engineFiles('crio');
    for (const { name, bytes } of files) {
      for (const place of [main, `${folder}/${name}`]) {
        const tree = await engineTree({ [place]: bytes });
        const before = tree.everything();

        const install = await plan(tree, ['kata-qemu', 'kata-clh']);
        await tree.apply(install);
        const text = await tree.read(ours);
        await tree.apply(await plan(tree, [], install.wiring));

        assert.equal(text, whole, `${name} as ${place}`);
        assert.deepEqual(tree.everything(), before, `${name} as ${place}`);
      }
    }
    assert.ok(files.length >= 7);
  });

  it('tells our differences from others’, and a handler that would be dropped', () => {
    const before = { crio: { runtime: { runtimes: { runc: { runtime_path: '/a' } }, log_level: 'info' } } };
    const after = structuredClone(before) as unknown as { crio: { runtime: { runtimes: Record<string, unknown>; log_level: string } } };
    after.crio.runtime.runtimes['kata-qemu'] = { runtime_path: '/k', 'ignored by CRI-O': '/k is not there' };
    after.crio.runtime.runtimes['kata-qemu-2'] = { runtime_path: '/k' };
    after.crio.runtime.log_level = 'debug';

    const diff = compareDumps(before, after, ['kata-qemu']);

    assert.deepEqual(diff.ours, ['crio.runtime.runtimes.kata-qemu."ignored by CRI-O"', 'crio.runtime.runtimes.kata-qemu.runtime_path']);
    assert.deepEqual(diff.others, ['crio.runtime.log_level', 'crio.runtime.runtimes.kata-qemu-2.runtime_path']);
    assert.deepEqual(diff.warnings, ['CRI-O would ignore kata-qemu: /k is not there']);
  });
});
