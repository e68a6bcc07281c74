import assert from 'node:assert/strict';
import { readings, sameSettings, union } from '../../cli/documents/toml/index.ts';
import { handlerTable, pluginTable } from '../../cli/engines/containerd/handlers.ts';
import { handler, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { main, newText, oldId, plan, runc, runtimes } from './containerdPlans.ts';

describe('engines/containerd: plans', () => {
  const engineTree = treesOfSpec();

  describe('engines/containerd: whole files', () => {
    it('writes the drop-in of 2.x with the schema and the plugin of the main file', async () => {
      const tree = await engineTree({ [main]: 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n' });

      const { wiring, changes, makeFolders } = await plan(tree, '2.1.9', ['kata-qemu']);

      assert.deepEqual(makeFolders, [{ path: '/etc/containerd/conf.d', mode: 0o755 }]);
      assert.deepEqual(wiring?.folders, ['/etc/containerd/conf.d']);
      assert.equal(changes.length, 1);
      assert.deepEqual(changes[0], {
        path: '/etc/containerd/conf.d/kata-sysext.toml',
        before: 'absent',
        after: {
          text: `# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.
version = 3

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata-qemu]
runtime_type = "io.containerd.kata-qemu.v2"
runtime_path = "/etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2"
privileged_without_host_devices = true
pod_annotations = ["io.katacontainers.*"]
container_annotations = ["io.katacontainers.*"]

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata-qemu.options]
ConfigPath = "/etc/kata-sysext/current/config/kata-qemu/configuration.toml"
`,
        },
        foreign: false,
        ours: [wiring?.marks[0]?.text],
        tmpDir: '/etc/kata-sysext',
      });
    });

    it('appends one block on 1.x, with the runc that the daemon would lose', async () => {
      const tree = await engineTree({ [main]: '# mine\nversion = 2\n' });

      const { changes } = await plan(tree, '1.7.24', ['kata-qemu']);

      assert.deepEqual(
        changes.map((change) => change.path),
        [main],
      );
      assert.deepEqual(changes[0]?.after, {
        text: `# mine
version = 2

# BEGIN kata-sysext: this block is recorded by its exact text; "kata-sysext uninstall" takes it out again.
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata-qemu]
runtime_type = "io.containerd.kata-qemu.v2"
runtime_path = "/etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2"
privileged_without_host_devices = true
pod_annotations = ["io.katacontainers.*"]
container_annotations = ["io.katacontainers.*"]

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata-qemu.options]
ConfigPath = "/etc/kata-sysext/current/config/kata-qemu/configuration.toml"
# END kata-sysext
`,
      });
    });

    for (const [name, text] of [
      ['CRLF', 'version = 2\r\n# end\r\n'],
      ['CRLF without a final line end', '# c\r\nversion = 2\r\n[debug]\r\nlevel = "info"'],
      ['byte order mark', '\ufeffversion = 2\n'],
      ['no final line end', 'version = 2'],
      ['comments only', '# nothing\n  # at all'],
      ['byte order mark only', '\ufeff'],
      ['empty', ''],
      ['blank lines', '\n\n'],
    ] as const) {
      for (const version of [undefined, '1.7.24', '2.1.9']) {
        it(`gives the bytes back: ${name}, containerd ${version ?? 'unknown'}`, async () => {
          const tree = await engineTree({ [main]: text });
          if (text.startsWith('\ufeff') && version === '2.1.9') {
            assert.equal(await refusalOf(plan(tree, version, ['kata-qemu'])), 'engine-config-invalid');
            return;
          }
          const before = tree.everything();

          const install = await plan(tree, version, ['kata-qemu']);
          await tree.apply(install);
          const installed = await tree.read(main);
          const again = await plan(tree, version, ['kata-qemu'], install.wiring);
          await tree.apply(await plan(tree, version, [], install.wiring));

          assert.ok(installed.startsWith(text.split(/\r?\n/)[0]!));
          assert.equal(text.includes('\r\n') && /[^\r]\n/.test(installed), false);
          assert.deepEqual(again.changes, []);
          assert.deepEqual(tree.everything(), before);
        });
      }
    }

    it('makes the main file where there is none, and the folder for it', async () => {
      const tree = await engineTree({ '/etc/hostname': 'x\n' });
      const before = tree.everything();

      const install = await plan(tree, '1.7.24', ['kata-qemu']);
      await tree.apply(install);
      const [value] = readings(await tree.read(main), main);
      await tree.apply(await plan(tree, '1.7.24', [], install.wiring));

      assert.ok(sameSettings(value!, union({ version: 2 }, pluginTable(oldId, runtimes(['kata-qemu'], runc)))));
      assert.deepEqual(install.makeFolders, [{ path: '/etc/containerd', mode: 0o755 }]);
      assert.deepEqual(tree.everything(), before);
    });

    it('gives every handler a runtime_type by which containerd knows a virtual machine', () => {
      for (const name of ['kata', 'kata-qemu', 'kata-qemu-runtime-rs', 'secure'])
        assert.match(String(handlerTable(handler(name))['runtime_type']), /^io\.containerd\.kata[a-z-]*\.v2$/);
    });

    for (const [version, byType] of [
      ['1.6', true],
      ['1.6.0', true],
      ['1.6.20~ds1', true],
      ['1.6.21', false],
      ['1.7', false],
      ['1.7.0', true],
      ['1.7.1', false],
      ['1.7.24', false],
    ] as const) {
      it(`${version} is told the shim by ${byType ? 'the type, for it forgets runtime_path' : 'runtime_path'}`, async () => {
        const tree = await engineTree({ [main]: 'version = 2\n' });
        const { shim } = handler('kata-qemu');

        const install = await plan(tree, version, ['kata-qemu']);
        await tree.apply(install);
        const again = await plan(tree, version, ['kata-qemu'], install.wiring);
        const later = await plan(tree, '1.7.24', ['kata-qemu'], install.wiring);

        const text = newText(install.changes[0]);
        assert.equal(text.includes(`runtime_type = "${byType ? shim : 'io.containerd.kata-qemu.v2'}"`), true, text);
        assert.equal(text.includes(`runtime_path = "${shim}"`), true, text);
        assert.deepEqual(again.changes, []);
        // Once the daemon is a newer one, the type that it knows virtual machines by is written, which takes a restart.
        assert.equal(later.changes.length, byType ? 1 : 0);
        assert.equal(later.wiring?.key === install.wiring?.key, !byType);
      });
    }

    it('refuses names that are none', async () => {
      const tree = await engineTree({ [main]: 'version = 2\n' });

      for (const name of ['', 'Kata', 'kata.qemu', 'kata"]\n', '-kata', 'k'.repeat(64)])
        assert.equal(await refusalOf(plan(tree, '1.7.24', [name])), 'handler-unknown');
    });
  });
});
