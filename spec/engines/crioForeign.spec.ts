import assert from 'node:assert/strict';
import { link, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { crio } from '../../cli/engines/crio/index.ts';
import type { WantedHandler } from '../../cli/engines/types.ts';
import { handler, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { folder, instance, main, ours, packaged, plan, runtimesIn, whole } from './crioPlans.ts';

/** What others have in CRI-O's files or wrote into ours, and what CRI-O would not take. */
describe('engines/crio: plans', () => {
  const engineTree = treesOfSpec();

  const foreign: [string, Record<string, string>][] = [
    ['in the main file', { [main]: '[crio.runtime.runtimes.kata-qemu]\nruntime_path = "/usr/bin/x"\n' }],
    ['in a drop-in', { [`${folder}/99-kata-deploy`]: '[crio.runtime.runtimes.kata-qemu]\nruntime_type = "vm"\n' }],
    ['in a backup, which CRI-O loads too', { [`${folder}/10-crio.conf~`]: '[crio.runtime.runtimes.kata-qemu]\n' }],
    ['in a hidden file of a folder below', { [`${folder}/old/.x`]: '[crio.runtime.runtimes.kata-qemu]\n' }],
    ['as an inline table', { [main]: 'crio.runtime.runtimes = { kata-qemu = { runtime_path = "/y" } }\n' }],
    ['in another case, which CRI-O takes', { [main]: '[CRIO.Runtime.RunTimes.kata-qemu]\nruntime_path = "/y"\n' }],
    ['quoted', { [main]: '["crio"."runtime"."runtimes"."kata-qemu"]\nruntime_path = "/y"\n' }],
  ];
  for (const [where, files] of foreign) {
    it(`refuses a handler of our name ${where}`, async () => {
      const tree = await engineTree(files);

      assert.equal(await refusalOf(plan(tree, ['kata-qemu'])), 'engine-foreign-handler');
      assert.equal(await refusalOf(plan(tree, ['kata-clh'])), 'no error');
    });
  }

  it('leaves a handler to its owner who defined it exactly as needed', async () => {
    const table = whole.slice(whole.indexOf('['), whole.indexOf('\n\n[crio.runtime.runtimes.kata-clh]'));
    const tree = await engineTree({ [`${folder}/20-own.conf`]: table });

    const both = await plan(tree, ['kata-qemu', 'kata-clh']);
    const one = await plan(tree, ['kata-qemu']);

    assert.deepEqual(
      both.findings.map((finding) => [finding.code, finding.level]),
      [['engine-foreign-handler', 'info']],
    );
    await tree.apply(both);
    assert.deepEqual(Object.keys(runtimesIn(await tree.read(ours))), ['kata-clh']);
    assert.deepEqual([one.changes, one.wiring?.method], [[], 'present']);
  });

  it('refuses what CRI-O would not start with', async () => {
    const tree = await engineTree({ [`${folder}/10-crio.conf`]: packaged });
    const inFolder = (name: string) => join(tree.root, folder, name);
    const codes: string[] = [];

    await tree.write(`${folder}/x`, '[crio.runtime\n');
    codes.push(await refusalOf(plan(tree, ['kata-qemu'])));
    await tree.write(`${folder}/x`, Buffer.from([0xff, 0xfe]));
    codes.push(await refusalOf(plan(tree, ['kata-qemu'])));
    await tree.write(`${folder}/x`, '');
    await symlink('/nowhere', inFolder('dangling'));
    codes.push(await refusalOf(plan(tree, ['kata-qemu'])));
    await rename(inFolder('dangling'), join(tree.root, 'gone'));
    await symlink('/etc', inFolder('folder'));
    codes.push(await refusalOf(plan(tree, ['kata-qemu'])));

    assert.deepEqual(codes, Array(4).fill('engine-config-invalid'));
  });

  it('refuses a folder that is a link, and a file of our name that it did not write', async () => {
    const tree = await engineTree({ '/srv/crio.d/10.conf': packaged, '/etc/crio/policy.json': '' });
    await symlink('/srv/crio.d', join(tree.root, folder));

    const linked = await refusalOf(plan(tree, ['kata-qemu']));
    const named = await plan(tree, ['kata-qemu'], undefined, { configFolder: '/srv/crio.d' });
    await tree.write('/srv/crio.d/50-kata-sysext.conf', '# mine\n');
    const taken = await refusalOf(plan(tree, ['kata-qemu'], undefined, { configFolder: '/srv/crio.d' }));

    assert.equal(linked, 'engine-unsupported');
    assert.deepEqual(
      named.changes.map((change) => change.path),
      ['/srv/crio.d/50-kata-sysext.conf'],
    );
    assert.equal(taken, 'foreign-file');
  });

  it('leaves our file alone when somebody changed it: kept while it serves, refused when it must change', async () => {
    const tree = await engineTree();
    const install = await plan(tree, ['kata-qemu']);
    await tree.apply(install);
    await tree.write(ours, `${await tree.read(ours)}container_create_timeout = 300\n`);

    const same = await plan(tree, ['kata-qemu'], install.wiring);
    const other = await refusalOf(plan(tree, ['kata-qemu', 'kata-clh'], install.wiring));
    const removal = await plan(tree, [], install.wiring);

    assert.deepEqual([same.changes, same.findings.map((finding) => finding.code)], [[], ['foreign-edit']]);
    assert.equal(other, 'foreign-edit');
    assert.deepEqual([removal.changes, removal.findings.map((finding) => finding.code)], [[], ['foreign-edit']]);
  });

  it('writes it again when somebody deleted it', async () => {
    const tree = await engineTree();
    const install = await plan(tree, ['kata-qemu']);
    await tree.apply(install);
    await rename(join(tree.root, ours), join(tree.root, 'taken'));

    const again = await plan(tree, ['kata-qemu'], install.wiring);

    assert.deepEqual(
      again.changes.map((change) => [change.path, change.before]),
      [[ours, 'absent']],
    );
  });

  it('is removable even where others broke the files, but is not planned there', async () => {
    const tree = await engineTree();
    const install = await plan(tree, ['kata-qemu']);
    await tree.apply(install);
    await tree.write(`${folder}/broken`, '[[[');

    const removal = await plan(tree, [], install.wiring);
    const looked = await refusalOf(plan(tree, []));

    assert.deepEqual(
      removal.changes.map((change) => [change.path, change.after]),
      [[ours, 'absent']],
    );
    assert.equal(looked, 'engine-config-invalid');
  });

  it('refuses CRI-O before 1.22, and a shim that CRI-O would drop; its own file goes whatever other names it has', async () => {
    const tree = await engineTree();
    const install = await plan(tree, ['kata-qemu']);
    await tree.apply(install);
    await link(join(tree.root, ours), join(tree.root, 'second'));
    const shim = (name: string): WantedHandler[] => [{ ...handler('kata-qemu'), shim: `/etc/kata/${name}` }];

    const linked = await refusalOf(plan(tree, [], install.wiring));
    const old = await Promise.all(
      ['1.21.7', '1.22.0', '1.36.3'].map((version) => refusalOf(plan(tree, ['kata-clh'], install.wiring, { version }))),
    );
    const shims = await Promise.all(
      ['containerd-shim-kata-v2', 'containerd-shim-kata.v2', 'kata-shim', 'containerd-shim-'].map((name) =>
        refusalOf(crio.plan(tree.host, instance(), shim(name))),
      ),
    );

    assert.equal(linked, 'no error');
    assert.deepEqual(old, ['engine-unsupported', 'no error', 'no error']);
    assert.deepEqual(shims.slice(1), Array(3).fill('handler-unknown'));
    assert.notEqual(shims[0], 'handler-unknown');
  });
});
