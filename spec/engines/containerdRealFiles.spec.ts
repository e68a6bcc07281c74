import assert from 'node:assert/strict';
import { readings, sameSettings, union } from '../../cli/documents/toml/index.ts';
import { pluginTable } from '../../cli/engines/containerd/handlers.ts';
import type { WiringPlan } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { engineFiles } from '../support/engineFiles.ts';
import { treesOfSpec } from '../support/trees/engineTree.ts';
import { main, newId, oldId, plan, runc, runtimes } from './containerdPlans.ts';

/** file, version of the daemon, and what comes of it: how it is wired, or why not. */
const v1 = 'engine-unsupported: has no version key';
const template = 'engine-config-invalid: cannot be read as TOML';
const missingImport = 'engine-config-invalid: which does not exist';
const tooNew = 'engine-config-invalid: reads at most 2';
const outcomes: [string, string, string][] = [
  ['empty.toml', 'range', 'range'],
  ['version-only.toml', 'range', 'drop-in and import'],
  ['comments-only.toml', 'range', 'range'],
  ['indented.toml', 'range', 'drop-in and import'],
  ['crlf.toml', 'range', 'drop-in and import'],
  ['no-end.toml', 'range', 'drop-in and import'],
  ['whitespace-lines.toml', 'range', 'drop-in and import'],
  ['byte-order-mark.toml', 'range', 'engine-config-invalid: begins with a byte order mark'],
  ['inline-tables.toml', 'range', 'drop-in and import'],
  ['imports-itself.toml', 'range', 'drop-in and import'],
  ['imports-a-folder.toml', 'range', 'drop-in'],
  ['another-kata.toml', 'range', 'drop-in and import'],
  ['schema-3-mixed-ends.toml', tooNew, 'drop-in and import'],
  ['imports-what-is-not-there.toml', missingImport, missingImport],
  ['schema-1.toml', v1, v1],
  ['no-version-new-ids.toml', v1, v1],
  ['template.toml', template, template],
  ['placeholders.toml', template, template],
  ['aks-gb-nvidia.toml', 'range', 'drop-in and import'],
  ['aks-linux-v3-no-gpu.toml.gtpl', template, template],
  ['aks-v2-dump-self-import.toml', 'range', 'drop-in and import'],
  ['aks-windows-v3-mixed-eol.toml', tooNew, 'drop-in and import'],
  ['aks-windows-v3-placeholders.toml', template, template],
  ['bootc-build-whitespace-lines.toml', 'range', 'drop-in and import'],
  ['bottlerocket-2019-v2.toml', 'range', 'drop-in and import'],
  ['capi-image-builder-linux.toml.j2', template, template],
  ['containerd-default-1.6.toml', 'range', 'drop-in and import'],
  ['eks-nodeadm-v2-imports.toml', 'range', 'drop-in'],
  ['eks-nodeadm-v2-literal.toml', 'range', 'drop-in and import'],
  ['eks-nodeadm-v3-full.toml', tooNew, 'drop-in and import'],
  ['flatcar-bakery-v3-small.toml', tooNew, 'drop-in and import'],
  ['kind-v2.toml', 'range', 'drop-in and import'],
  ['minikube-gvisor-v1.toml', v1, v1],
  ['minikube-kicbase-v2.toml', 'range', 'drop-in and import'],
  ['nvidia-ctk-empty.toml', 'range', 'range'],
  ['nvidia-ctk-v1.toml', v1, v1],
  ['nydus-v2-has-kata.toml', 'range', 'drop-in and import'],
  ['rcm-no-version-v2-ids.toml', v1, v1],
  ['rcm-version-only.toml', 'range', 'drop-in and import'],
  ['stargz-transfer-aot.toml', 'range', 'drop-in and import'],
  ['talos-cri-v3-multiline-imports.toml', missingImport, missingImport],
  ['talos-kata-dropin.part', v1, v1],
];

describe('engines/containerd: plans', () => {
  const engineTree = treesOfSpec();

  describe('engines/containerd: whole configuration files', () => {
    const files = new Map(engineFiles('containerd').map(({ name, bytes }) => [name, bytes]));
    for (const [file, on1, on2] of outcomes) {
      const bytes = files.get(file);
      if (bytes === undefined) continue;
      for (const [version, wanted] of [
        ['1.7.24', on1],
        ['2.1.9', on2],
      ] as const) {
        it(`${file} with ${version}: ${wanted}`, async () => {
          const tree = await engineTree({ [main]: bytes });
          if (wanted.startsWith('engine-')) {
            const [wantedCode, reason] = wanted.split(': ') as [string, string];

            await assert.rejects(
              plan(tree, version, ['kata-qemu']),
              (error) => error instanceof KataError && error.code === wantedCode && error.message.includes(reason),
            );

            return;
          }
          const before = tree.everything();

          const install = await plan(tree, version, ['kata-qemu', 'kata-clh']);
          await tree.apply(install);
          const installed = await tree.read(main);
          const again = await plan(tree, version, ['kata-qemu', 'kata-clh'], install.wiring);
          const fewer = await plan(tree, version, ['kata-clh'], install.wiring);
          await tree.apply(fewer);
          const more = await plan(tree, version, ['kata-qemu', 'kata-clh'], fewer.wiring);
          await tree.apply(more);
          const back = await tree.read(main);
          const remove = await plan(tree, version, [], more.wiring);
          await tree.apply(remove);

          assert.equal(install.wiring?.method, wanted);
          assert.deepEqual(again.changes, []);
          assert.equal(back, installed);
          assert.equal(more.wiring?.key, install.wiring.key);
          assert.notEqual(fewer.wiring?.key, install.wiring.key);
          assert.deepEqual(tree.everything(), before);
          assert.deepEqual(
            [install, again, fewer, more, remove].flatMap(({ findings }) => findings),
            [],
          );
          await judgeInstalled(bytes.toString(), installed, install, file);
        });
      }
    }

    it('has each file once, and every small one', () => {
      const names = outcomes.map(([file]) => file);

      assert.deepEqual(names, [...new Set(names)]);
      assert.ok(names.filter((name) => files.has(name)).length >= 18);
    });
  });
});

/** Files that have no setting at all. */
const empty = ['nvidia-ctk-empty.toml', 'empty.toml', 'comments-only.toml'];

/** The main file says what it said and our tables (or our import); by both parsers. */
async function judgeInstalled(before: string, after: string, install: WiringPlan, file: string): Promise<void> {
  const names = ['kata-qemu', 'kata-clh'];
  const carried =
    [...empty, 'rcm-version-only.toml', 'version-only.toml'].includes(file) &&
    install.wiring?.method === 'range' &&
    !after.includes('version = 3')
      ? runc
      : {};
  const version = empty.includes(file) ? { version: after.includes('version = 3') ? 3 : 2 } : {};
  const plugin = after.includes('version = 3') ? newId : oldId;
  const added =
    install.wiring?.method === 'range'
      ? union(version, pluginTable(plugin, runtimes(names, carried)))
      : install.wiring?.method === 'drop-in'
        ? {}
        : { imports: ['/etc/containerd/kata-sysext*.toml'] };
  const was = readings(before, file);
  for (const [index, is] of readings(after, file).entries()) assert.ok(sameSettings(is, union(was[index]!, added)), file);
}
