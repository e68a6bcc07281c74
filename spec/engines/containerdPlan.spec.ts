import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { link, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { handlerTable, pluginTable } from '../../cli/engines/containerd/handlers.ts';
import { containerd } from '../../cli/engines/containerd/index.ts';
import { readings, sameSettings, union } from '../../cli/engines/toml/index.ts';
import type { FileChange, Wiring, WiringPlan } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { type EngineTree, handler, instanceOf, engineTree as makeTree, realData } from '../support/engineTree.ts';

const main = '/etc/containerd/config.toml';
const kata = [handler('kata-qemu'), handler('kata-clh')];
const oldId = 'io.containerd.grpc.v1.cri';
const newId = 'io.containerd.cri.v1.runtime';
const runc = { runc: { runtime_type: 'io.containerd.runc.v2', options: { SystemdCgroup: false } } };

let tree: EngineTree;
let made: EngineTree[] = [];

async function engineTree(files: Record<string, string | Buffer> = {}): Promise<EngineTree> {
  const one = await makeTree(files);
  made.push(one);
  return one;
}

async function plan(version: string | undefined, names: string[], recorded?: Wiring): Promise<WiringPlan> {
  return containerd.plan(tree.host, instanceOf(version), names.map(handler), recorded);
}

function newText(change: FileChange | undefined): string {
  return change === undefined || change.after === 'absent' ? '' : change.after.text;
}

async function code(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    if (error instanceof KataError) return error.code;
    throw error;
  }
}

function runtimes(names: string[], also: Record<string, unknown> = {}) {
  return { ...also, ...Object.fromEntries(names.map((name) => [name, handlerTable(handler(name))])) };
}

/** file, version of the daemon, and what comes of it: how it is wired, or why not. */
const v1 = 'engine-unsupported: has no version key';
const template = 'engine-config-invalid: cannot be read as TOML';
const missingImport = 'engine-config-invalid: which does not exist';
const tooNew = 'engine-config-invalid: reads at most 2';
const realFiles: [string, string, string][] = [
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
  // Made by each spec; a spec that made none has nothing to remove.
  beforeEach(() => {
    made = [];
  });
  afterEach(async () => {
    for (const one of made) await one.remove();
  });

  describe('engines/containerd: real configuration files', () => {
    for (const [file, on1, on2] of realFiles) {
      for (const [version, wanted] of [
        ['1.7.24', on1],
        ['2.1.9', on2],
      ] as const) {
        it(`${file} with ${version}: ${wanted}`, async function () {
          const data = realData();
          if (data === undefined) {
            console.log('      skipped: there is no ../shared/real-data beside this checkout');
            this.skip();
          }
          const bytes = readFileSync(join(data, 'cri/containerd', file));
          tree = await engineTree({ [main]: bytes });
          if (wanted.startsWith('engine-')) {
            const [wantedCode, reason] = wanted.split(': ') as [string, string];

            await assert.rejects(
              plan(version, ['kata-qemu']),
              (error) => error instanceof KataError && error.code === wantedCode && error.message.includes(reason),
            );

            return;
          }
          const before = tree.everything();

          const install = await plan(version, ['kata-qemu', 'kata-clh']);
          await tree.apply(install);
          const installed = await tree.read(main);
          const again = await plan(version, ['kata-qemu', 'kata-clh'], install.wiring);
          const fewer = await plan(version, ['kata-clh'], install.wiring);
          await tree.apply(fewer);
          const more = await plan(version, ['kata-qemu', 'kata-clh'], fewer.wiring);
          await tree.apply(more);
          const back = await tree.read(main);
          const remove = await plan(version, [], more.wiring);
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

    it('knows every file of the folder', function () {
      const data = realData();
      if (data === undefined) {
        console.log('      skipped: there is no ../shared/real-data beside this checkout');
        this.skip();
      }

      const names = realFiles.map(([file]) => file);

      assert.deepEqual(names, [...new Set(names)]);
      for (const name of names) assert.ok(readFileSync(join(data, 'cri/containerd', name)));
    });
  });

  /** The main file says what it said and our tables (or our import); by both parsers. */
  async function judgeInstalled(before: string, after: string, install: WiringPlan, file: string): Promise<void> {
    const names = ['kata-qemu', 'kata-clh'];
    const carried =
      ['rcm-version-only.toml', 'nvidia-ctk-empty.toml'].includes(file) &&
      install.wiring?.method === 'range' &&
      !after.includes('version = 3')
        ? runc
        : {};
    const version = file === 'nvidia-ctk-empty.toml' ? { version: after.includes('version = 3') ? 3 : 2 } : {};
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

  describe('engines/containerd: whole files', () => {
    it('writes the drop-in of 2.x with the schema and the plugin of the main file', async () => {
      tree = await engineTree({ [main]: 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n' });

      const { wiring, changes, makeFolders } = await plan('2.1.9', ['kata-qemu']);

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
      tree = await engineTree({ [main]: '# mine\nversion = 2\n' });

      const { changes } = await plan('1.7.24', ['kata-qemu']);

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
          tree = await engineTree({ [main]: text });
          if (text.startsWith('\ufeff') && version === '2.1.9') {
            assert.equal(await code(plan(version, ['kata-qemu'])), 'engine-config-invalid');
            return;
          }
          const before = tree.everything();

          const install = await plan(version, ['kata-qemu']);
          await tree.apply(install);
          const installed = await tree.read(main);
          const again = await plan(version, ['kata-qemu'], install.wiring);
          await tree.apply(await plan(version, [], install.wiring));

          assert.ok(installed.startsWith(text.split(/\r?\n/)[0]!));
          assert.equal(text.includes('\r\n') && /[^\r]\n/.test(installed), false);
          assert.deepEqual(again.changes, []);
          assert.deepEqual(tree.everything(), before);
        });
      }
    }

    it('makes the main file where there is none, and the folder for it', async () => {
      tree = await engineTree({ '/etc/hostname': 'x\n' });
      const before = tree.everything();

      const install = await plan('1.7.24', ['kata-qemu']);
      await tree.apply(install);
      const [value] = readings(await tree.read(main), main);
      await tree.apply(await plan('1.7.24', [], install.wiring));

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
        tree = await engineTree({ [main]: 'version = 2\n' });
        const { shim } = handler('kata-qemu');

        const install = await plan(version, ['kata-qemu']);
        await tree.apply(install);
        const again = await plan(version, ['kata-qemu'], install.wiring);
        const later = await plan('1.7.24', ['kata-qemu'], install.wiring);

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
      tree = await engineTree({ [main]: 'version = 2\n' });

      for (const name of ['', 'Kata', 'kata.qemu', 'kata"]\n', '-kata', 'k'.repeat(64)])
        assert.equal(await code(plan('1.7.24', [name])), 'handler-unknown');
    });
  });

  describe('engines/containerd: the set of files', () => {
    it('edits the last loaded file that defines the CRI plugin on 1.x', async () => {
      tree = await engineTree({
        [main]: `version = 2\nimports = ["conf.d/*.toml"]\n[plugins."${oldId}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`,
        '/etc/containerd/conf.d/10-cri.toml': `[plugins."${oldId}"]\nsandbox_image = "x"\n`,
        '/etc/containerd/conf.d/20-debug.toml': '[debug]\nlevel = "info"\n',
      });

      const { changes } = await plan('1.7.24', ['kata-qemu']);
      const unknown = await code(plan(undefined, ['kata-qemu']));

      assert.deepEqual(
        changes.map((change) => change.path),
        ['/etc/containerd/conf.d/10-cri.toml'],
      );
      assert.match(newText(changes[0]), /runtimes\.runc\]/);
      assert.equal(unknown, 'engine-unsupported');
    });

    it('follows nested imports, loads no file twice, and finds a handler of somebody else there', async () => {
      tree = await engineTree({
        [main]: 'version = 2\nimports = ["/etc/containerd/config.toml", "a/*.toml"]\n',
        '/etc/containerd/a/x.toml': 'version = 2\nimports = ["../b/y.toml"]\n',
        '/etc/containerd/b/y.toml': `[plugins."${oldId}".containerd.runtimes.kata-qemu]\nruntime_type = "io.containerd.kata.v2"\n`,
      });

      const error = await plan('2.1.9', ['kata-qemu']).catch((reason: unknown) => reason);

      assert.ok(error instanceof KataError);
      assert.equal(error.code, 'engine-foreign-handler');
      assert.match(error.message, /\/etc\/containerd\/b\/y\.toml/);
    });

    it('leaves a handler to its owner who defined it exactly as needed', async () => {
      const theirs =
        'version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata-qemu]\n' +
        Object.entries(handlerTable(handler('kata-qemu')))
          .map(([key, value]) => (key === 'options' ? '' : `${key} = ${JSON.stringify(value)}\n`))
          .join('') +
        `options = { ConfigPath = "${handler('kata-qemu').configuration}" }\n`;
      tree = await engineTree({ [main]: theirs });

      const { wiring, changes, findings } = await plan('2.1.9', ['kata-qemu']);

      assert.deepEqual(changes, []);
      assert.deepEqual(wiring?.marks, []);
      assert.deepEqual(
        findings.map(({ level }) => level),
        ['info'],
      );
    });

    const refused: [string, string, Record<string, string>, string][] = [
      [
        'mixed schemas',
        '2.1.9',
        { [main]: 'version = 2\nimports = ["a.toml"]\n', '/etc/containerd/a.toml': 'version = 3\n' },
        'engine-config-mixed',
      ],
      ['a missing literal import', '2.1.9', { [main]: 'version = 3\nimports = ["/etc/none.toml"]\n' }, 'engine-config-invalid'],
      ['schema 3 for 1.x', '1.7.24', { [main]: 'version = 3\n' }, 'engine-config-invalid'],
      ['schema 4 for 2.1', '2.1.9', { [main]: 'version = 4\n' }, 'engine-config-invalid'],
      ['schema 1', '1.7.24', { [main]: 'version = 1\n' }, 'engine-unsupported'],
      [
        'SELinux labels with a containerd that forgets runtime_path',
        '1.6.20',
        { [main]: `version = 2\n[plugins."${oldId}"]\nenable_selinux = true\n` },
        'engine-unsupported',
      ],
      ['containerd 1.5', '1.5.9', { [main]: 'version = 2\n' }, 'engine-unsupported'],
      ['a disabled CRI', '1.7.24', { [main]: 'version = 2\ndisabled_plugins = ["cri"]\n' }, 'engine-unsupported'],
      ['a disabled CRI without a schema (Docker)', '1.7.24', { [main]: 'disabled_plugins = ["cri"]\n' }, 'engine-unsupported'],
      [
        'an inline table',
        '1.7.24',
        { [main]: `version = 2\n[plugins."${oldId}".containerd]\nruntimes = { runc = { runtime_type = "x" } }\n` },
        'engine-unsupported',
      ],
      ['a list of tables', '1.7.24', { [main]: `version = 2\n[[plugins."${oldId}".containerd.runtimes]]\nx = 1\n` }, 'engine-unsupported'],
      ['imports that are no list', '2.1.9', { [main]: 'version = 3\nimports = "x"\n' }, 'engine-config-invalid'],
      ['a version that is no integer', '2.1.9', { [main]: 'version = "3"\n' }, 'engine-config-invalid'],
      ['TOML 1.1', '2.1.9', { [main]: 'version = 3\na = { b = 1, }\n' }, 'engine-config-invalid'],
      [
        'a folder in the place of a file',
        '2.1.9',
        { [main]: 'version = 3\nimports = ["d/*.toml"]\n', '/etc/containerd/d/x.toml/y': '' },
        'engine-config-invalid',
      ],
      [
        'a relative pattern that 1.6 reads differently',
        '1.6.20',
        { [main]: 'version = 2\nimports = ["d/*.toml"]\n', '/etc/containerd/d/x.toml': '' },
        'engine-unsupported',
      ],
      [
        'a file of our name',
        '2.1.9',
        { [main]: 'version = 3\nimports = ["conf.d/*.toml"]\n', '/etc/containerd/conf.d/kata-sysext.toml': '# theirs\n' },
        'foreign-file',
      ],
    ];
    for (const [name, version, files, wanted] of refused) {
      it(`refuses ${name}`, async () => {
        tree = await engineTree(files);

        assert.equal(await code(plan(version, ['kata-qemu'])), wanted);
      });
    }

    it('refuses bytes that are no UTF-8, for an edit could not keep them', async () => {
      tree = await engineTree({ [main]: Buffer.from('version = 2 # \xff\n', 'latin1') });

      assert.equal(await code(plan('1.7.24', ['kata-qemu'])), 'engine-config-invalid');
    });

    it('takes schema 4 for the tables of schema 3', async () => {
      tree = await engineTree({ [main]: 'version = 4\n' });

      const { changes } = await plan('2.3.1', ['kata-qemu']);

      assert.match(newText(changes[0]), /^version = 4\n\n\[plugins\."io\.containerd\.cri\.v1\.runtime"/m);
    });

    it('accepts parents by dotted keys, as all daemons do', async () => {
      tree = await engineTree({
        [main]: `version = 2\n[plugins."${oldId}"]\ncontainerd.runtimes.runc.runtime_type = "io.containerd.runc.v2"\n`,
      });

      const { wiring } = await plan('1.7.24', ['kata-qemu']);

      assert.equal(wiring?.method, 'range');
    });
  });

  describe('engines/containerd: files that are special', () => {
    it('edits what a link leads to', async () => {
      tree = await engineTree({ '/var/lib/node/containerd.toml': 'version = 2\n', '/etc/containerd/x': '' });
      await symlink('/var/lib/node/containerd.toml', join(tree.root, main));

      const { changes } = await plan('1.7.24', ['kata-qemu']);

      assert.deepEqual(
        changes.map((change) => change.path),
        ['/var/lib/node/containerd.toml'],
      );
    });

    it('refuses a file with two names', async () => {
      tree = await engineTree({ [main]: 'version = 2\n' });
      await link(join(tree.root, main), join(tree.root, '/etc/containerd/other'));

      assert.equal(await code(plan('1.7.24', ['kata-qemu'])), 'engine-unsupported');
    });

    it('refuses to edit a main file of the operating system, but uses a folder that it imports', async () => {
      const vendor = '/usr/share/containerd/config.toml';
      tree = await engineTree({ [vendor]: 'version = 2\n' });
      const instance = instanceOf('2.1.9', vendor);

      const refusedCode = await code(containerd.plan(tree.host, instance, kata));
      await tree.write(vendor, 'version = 2\nimports = ["/usr/share/containerd/conf.d/*.toml", "/etc/containerd/conf.d/*.toml"]\n');
      const { changes } = await containerd.plan(tree.host, instance, kata);

      assert.equal(refusedCode, 'engine-unsupported');
      assert.deepEqual(
        changes.map((change) => change.path),
        ['/etc/containerd/conf.d/kata-sysext.toml'],
      );
    });

    it('keeps temporary files out of folders that the daemon reads', async () => {
      tree = await engineTree({ [main]: 'version = 3\nimports = ["/etc/kata-sysext/*"]\n' });

      const { changes } = await plan('2.1.9', ['kata-qemu']);

      assert.notEqual(changes[0]?.tmpDir, '/etc/kata-sysext');
    });
  });

  describe('engines/containerd: what others edit meanwhile', () => {
    async function installed(version: string, text = 'version = 2\n[debug]\nlevel = "info"\n'): Promise<Wiring> {
      tree = await engineTree({ [main]: text });
      const install = await plan(version, ['kata-qemu']);
      await tree.apply(install);
      assert.ok(install.wiring);
      return install.wiring;
    }

    it('leaves exactly their edits in the main file', async () => {
      const wiring = await installed('1.7.24');
      const edited = (await tree.read(main)).replace('"info"', '"debug" # theirs').replace(/$/, '\n[metrics]\naddress = ""\n');
      await tree.write(main, edited);

      const remove = await plan('1.7.24', [], wiring);
      await tree.apply(remove);

      assert.equal(await tree.read(main), 'version = 2\n[debug]\nlevel = "debug" # theirs\n\n[metrics]\naddress = ""\n');
      assert.deepEqual(remove.findings, []);
    });

    it('replaces its block in place between theirs', async () => {
      const wiring = await installed('1.7.24');
      await tree.write(main, `${await tree.read(main)}# theirs below\n`);

      const change = await plan('1.7.24', ['kata-clh'], wiring);
      await tree.apply(change);
      const text = await tree.read(main);
      await tree.apply(await plan('1.7.24', [], change.wiring));

      assert.match(text, /kata-clh[\s\S]*# END kata-sysext\n# theirs below\n$/);
      assert.doesNotMatch(text, /kata-qemu/);
      assert.equal(await tree.read(main), 'version = 2\n[debug]\nlevel = "info"\n# theirs below\n');
    });

    it('keeps a changed drop-in and says so', async () => {
      const wiring = await installed('2.1.9');
      const dropIn = '/etc/containerd/kata-sysext.toml';
      await tree.write(dropIn, `${await tree.read(dropIn)}# theirs\n`);

      const same = await plan('2.1.9', ['kata-qemu'], wiring);
      const other = await code(plan('2.1.9', ['kata-clh'], wiring));
      const remove = await plan('2.1.9', [], wiring);
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
      const wiring = await installed('1.7.24');
      await tree.write(
        main,
        (await tree.read(main)).replace('privileged_without_host_devices = true', 'privileged_without_host_devices = false'),
      );
      const before = tree.everything();

      const remove = await plan('1.7.24', [], wiring);
      await tree.apply(remove);

      assert.deepEqual(tree.everything(), before);
      assert.deepEqual(
        remove.findings.map((finding) => finding.level),
        ['warning'],
      );
    });

    it('writes anew what somebody removed, and has nothing to remove at the end', async () => {
      const wiring = await installed('1.7.24');
      await tree.write(main, 'version = 2\n');

      const repair = await plan('1.7.24', ['kata-qemu'], wiring);
      const remove = await plan('1.7.24', [], wiring);

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
      const wiring = await installed('1.7.24');
      await tree.write(main, `[[[broken\n${await tree.read(main)}`);

      await tree.apply(await plan('1.7.24', [], wiring));

      assert.equal(await tree.read(main), '[[[broken\nversion = 2\n[debug]\nlevel = "info"\n');
    });

    it('keeps its block when containerd goes from 1.x to 2.x, and moves it when the schema does', async () => {
      const wiring = await installed(
        '1.7.24',
        `version = 2\n[plugins."${oldId}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`,
      );

      const newer = await plan('2.1.9', ['kata-qemu'], wiring);
      await tree.write(main, (await tree.read(main)).replace('version = 2', 'version = 3'));
      const migrated = await plan('2.1.9', ['kata-qemu'], wiring);

      assert.deepEqual(newer.changes, []);
      assert.equal(newer.wiring?.key, wiring.key);
      assert.notEqual(migrated.wiring?.key, wiring.key);
      assert.match(newText(migrated.changes.at(-1)), /version = 3/);
    });

    it('goes from a drop-in to a block when containerd goes back to 1.x', async () => {
      const wiring = await installed('2.1.9');

      const older = await plan('1.7.24', ['kata-qemu'], wiring);
      await tree.apply(older);
      await tree.apply(await plan('1.7.24', [], older.wiring));

      assert.equal(older.wiring?.method, 'range');
      assert.equal(await tree.read(main), 'version = 2\n[debug]\nlevel = "info"\n');
      assert.equal(await tree.host.stat('/etc/containerd/kata-sysext.toml'), undefined);
    });
  });
});
