import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { containerd } from '../../cli/engines/containerd/index.ts';
import { planContainerd } from '../../cli/engines/containerd/plan.ts';
import type { WiringPlan } from '../../cli/engines/types.ts';
import { containerdBinaries } from '../support/live/containerdBinary.ts';
import { machine } from '../support/live/containerdRounds.ts';
import { type EngineTree, handler, treesOfSpec } from '../support/trees/engineTree.ts';
import { newId, newText, oldId } from './containerdPlans.ts';

const vendor = '/usr/share/containerd/config.toml';
const root = '/etc/containerd/kata-sysext-root.toml';
const tables = '/etc/containerd/kata-sysext.d/kata-sysext.toml';
const unit = { '/usr/lib/systemd/system/containerd.service': `[Service]\nExecStart=/usr/bin/containerd -c ${vendor}\n` };
const says = { 2: `version = 2\n[plugins."${oldId}".containerd.runtimes.runc.options]\nSystemdCgroup = true\n`, 3: 'version = 3\n' };
/** What a main file without settings may be. */
const bare: [what: string, text: string | undefined][] = [
  ['that is not there', undefined],
  ['that is empty', ''],
  ['of comments alone', '# nothing yet\n'],
];

async function plan(tree: EngineTree, version: string, before?: WiringPlan): Promise<WiringPlan> {
  const [instance] = await containerd.detect(tree.host, version);
  return containerd.plan(tree.host, instance!, [handler('kata-qemu')], before?.wiring);
}

function tablesOf({ changes }: WiringPlan): string {
  return newText(changes.find(({ path }) => path === tables));
}

function codes({ findings }: WiringPlan): string[] {
  return findings.map(({ code, level }) => `${level} ${code}`);
}

describe('engines/containerd: a root file over a main file that says nothing', () => {
  const treeOf = treesOfSpec();
  const host = (main: string | undefined) =>
    treeOf({ '/usr/bin/containerd': '', ...unit, ...(main === undefined ? {} : { [vendor]: main }) });

  for (const [what, main] of bare) {
    it(`${what}: 2.3 and newer get tables of schema 3 without a version, older ones of schema 2 with it, and a finding`, async () => {
      for (const version of ['2.3.0', '2.4.2']) {
        const planned = await plan(await host(main), version);
        assert.equal(planned.wiring?.method, 'root file');
        assert.match(tablesOf(planned), new RegExp(`^#[^\\n]*\\n\\n\\[plugins\\."${newId}"`));
        assert.deepEqual(planned.findings, []);
      }
      for (const version of ['2.0.14', '2.2.9']) {
        const planned = await plan(await host(main), version);
        assert.match(tablesOf(planned), new RegExp(`^#[^\\n]*\\nversion = 2\\n\\n\\[plugins\\."${oldId}"`));
        assert.deepEqual(codes(planned), [`${main === undefined ? 'warning' : 'info'} engine-config-mixed`]);
      }
    });

    it(`${what}: what was wired beside schema 3 stays, and a later main file of any schema is followed`, async () => {
      const tree = await host(says[3]);
      const first = await plan(tree, '2.1.9');
      await tree.apply(first);
      if (main === undefined) rmSync(join(tree.root, vendor));
      else await tree.write(vendor, main);

      const again = await plan(tree, '2.1.9', first);
      await tree.write(vendor, says[2]);
      const followed = await plan(tree, '2.1.9', again);

      assert.deepEqual([again.changes, again.findings, again.wiring?.key], [[], [], first.wiring?.key]);
      assert.match(tablesOf(followed), new RegExp(`^#[^\\n]*\\n\\n\\[plugins\\."${oldId}"`));
    });

    it(`${what}: what was wired beside schema 2 is written with its version, without which 2.0 to 2.2 would not read it`, async () => {
      const tree = await host(says[2]);
      const first = await plan(tree, '2.1.9');
      await tree.apply(first);
      if (main === undefined) rmSync(join(tree.root, vendor));
      else await tree.write(vendor, main);

      const again = await plan(tree, '2.1.9', first);
      await tree.apply(again);
      const third = await plan(tree, '2.1.9', again);

      assert.match(tablesOf(again), new RegExp(`^#[^\\n]*\\nversion = 2\\n\\n\\[plugins\\."${oldId}"`));
      assert.deepEqual(third.changes, []);
    });
  }

  it('a program that is known to write schema 3 gets tables of that, on 2.0 as well', async () => {
    const tree = await treeOf({
      '/usr/bin/containerd': '',
      '/usr/lib/systemd/system/containerd.service': '[Service]\nExecStart=/usr/bin/containerd\n',
    });
    const [instance] = await containerd.detect(tree.host, '2.0.14');

    const planned = await planContainerd(tree.host, instance!, [handler('kata-qemu')], undefined, 3);

    assert.match(tablesOf(planned), new RegExp(`^#[^\\n]*\\n\\n\\[plugins\\."${newId}"`));
    assert.deepEqual(planned.findings, []);
  });

  it('goes on being refused where a main file with settings has no version', async () => {
    await assert.rejects(plan(await host('root = "/data"\n'), '2.1.9'), /has no version key/);
  });

  for (const binary of containerdBinaries().filter(({ version }) => version.startsWith('2.')))
    it(`${binary.version}: the binary finds the handler, and beside a later main file its settings`, async () => {
      for (const [, main] of bare) {
        const tree = await host(main);
        const planned = await plan(tree, binary.version);
        await tree.apply(planned);
        const inTree = (text: string) => text.replaceAll(/"\/(?=usr\/share|etc\/containerd)/g, `"${tree.root}/`);
        await tree.write(root, inTree(await tree.read(root)));
        const dump = async () =>
          (await machine.run(binary.path, ['-c', join(tree.root, root), 'config', 'dump'], { timeoutMs: 30_000 })).stdout;

        const now = await dump();
        await tree.write(vendor, says[2]);
        const beside2 = await dump();
        await tree.write(vendor, says[3].concat(`[plugins."${newId}".containerd.runtimes.runc.options]\nSystemdCgroup = true\n`));
        const beside3 = await dump();

        assert.match(now, /runtimes\.kata-qemu\]/);
        assert.match(beside2, /runtimes\.kata-qemu\]/);
        assert.ok([beside2, beside3].every((text) => text.includes('SystemdCgroup = true')));
        // Before 2.3 that is what the finding says.
        assert.equal(/runtimes\.kata-qemu\]/.test(beside3), planned.findings.length === 0);
      }
    });
});
