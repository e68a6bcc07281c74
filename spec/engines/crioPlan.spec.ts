import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { link, mkdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import toml from '@iarna/toml';
import fc from 'fast-check';
import { compareDumps } from '../../cli/engines/crio/dump.ts';
import { crio } from '../../cli/engines/crio/index.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { type EngineTree, handler, engineTree as makeTree, realData } from '../support/engineTree.ts';

const folder = '/etc/crio/crio.conf.d';
const ours = `${folder}/50-kata-sysext.conf`;
const main = '/etc/crio/crio.conf';
const packaged = '[crio.runtime]\ndefault_runtime = "crun"\n[crio.runtime.runtimes.crun]\nruntime_path = "/usr/libexec/crio/crun"\n';

const whole = `# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.

[crio.runtime.runtimes.kata-qemu]
runtime_path = "/etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2"
runtime_type = "vm"
runtime_root = "/run/vc"
runtime_config_path = "/etc/kata-sysext/current/config/kata-qemu/configuration.toml"
privileged_without_host_devices = true

[crio.runtime.runtimes.kata-clh]
runtime_path = "/etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2"
runtime_type = "vm"
runtime_root = "/run/vc"
runtime_config_path = "/etc/kata-sysext/current/config/kata-clh/configuration.toml"
privileged_without_host_devices = true
`;

describe('engines/crio: plans', () => {
  let tree: EngineTree;
  let made: EngineTree[] = [];
  afterEach(async () => {
    for (const one of made) await one.remove();
    made = [];
  });

  async function engineTree(files: Record<string, string | Buffer> = {}): Promise<void> {
    tree = await makeTree(files);
    made.push(tree);
  }

  function plan(names: string[], recorded?: Wiring, also: Partial<Instance> = {}): Promise<WiringPlan> {
    return crio.plan(tree.host, instance(also), names.map(handler), recorded);
  }

  it('writes one file of ours and takes it away again', async () => {
    await engineTree({ [`${folder}/10-crio.conf`]: packaged });
    const before = tree.everything();

    const install = await plan(['kata-qemu', 'kata-clh']);
    await tree.apply(install);
    const text = await tree.read(ours);
    const again = await plan(['kata-qemu', 'kata-clh'], install.wiring);
    const removal = await plan([], install.wiring);
    await tree.apply(removal);

    assert.equal(text, whole);
    assert.deepEqual([again.changes, again.wiring], [[], install.wiring]);
    assert.deepEqual(tree.everything(), before);
    assert.equal(removal.wiring, undefined);
  });

  it('changes only its own file when handlers come and go', async () => {
    await engineTree({ [`${folder}/10-crio.conf`]: packaged });
    const install = await plan(['kata-qemu']);
    await tree.apply(install);

    const more = await plan(['kata-qemu', 'kata-clh'], install.wiring);
    await tree.apply(more);
    const fewer = await plan(['kata-clh'], more.wiring);
    await tree.apply(fewer);

    assert.deepEqual(
      [more, fewer].flatMap((one) => one.changes.map((change) => change.path)),
      [ours, ours],
    );
    assert.deepEqual(Object.keys(runtimesIn(await tree.read(ours))), ['kata-clh']);
    assert.notEqual(install.wiring?.key, more.wiring?.key);
  });

  it('keeps its temporary file out of the folder, whose every file CRI-O reads', async () => {
    await engineTree({ [`${folder}/10-crio.conf`]: packaged });

    const { changes } = await plan(['kata-qemu']);
    const above = await plan(['kata-qemu'], undefined, { configFolder: '/etc' });

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
    await engineTree({ [main]: packaged });
    const before = tree.everything();

    const install = await plan(['kata-qemu']);
    await tree.apply(install);
    const upgrade = await plan(['kata-qemu', 'kata-clh'], install.wiring);
    await tree.apply(upgrade);
    const removal = await plan([], upgrade.wiring);
    await tree.apply(removal);

    assert.deepEqual(install.makeFolders, [{ path: folder, mode: 0o755 }]);
    assert.deepEqual(upgrade.wiring?.folders, [folder]);
    assert.deepEqual(removal.dropFolders, [folder]);
    assert.deepEqual(tree.everything(), before);
  });

  it('leaves a folder that others use meanwhile', async () => {
    await engineTree({ [main]: packaged });
    const install = await plan(['kata-qemu']);
    await tree.apply(install);
    await tree.write(`${folder}/99-admin.conf`, '[crio.runtime]\nlog_level = "debug"\n');

    await tree.apply(await plan([], install.wiring));

    assert.deepEqual(readdirSync(join(tree.root, folder)), ['99-admin.conf']);
  });

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
      await engineTree(files);

      assert.equal(await code(plan(['kata-qemu'])), 'engine-foreign-handler');
      assert.equal(await code(plan(['kata-clh'])), 'no error');
    });
  }

  it('leaves a handler to its owner who defined it exactly as needed', async () => {
    const table = whole.slice(whole.indexOf('['), whole.indexOf('\n\n[crio.runtime.runtimes.kata-clh]'));
    await engineTree({ [`${folder}/20-own.conf`]: table });

    const both = await plan(['kata-qemu', 'kata-clh']);
    const one = await plan(['kata-qemu']);

    assert.deepEqual(
      both.findings.map((finding) => [finding.code, finding.level]),
      [['engine-foreign-handler', 'info']],
    );
    await tree.apply(both);
    assert.deepEqual(Object.keys(runtimesIn(await tree.read(ours))), ['kata-clh']);
    assert.deepEqual([one.changes, one.wiring?.method], [[], 'present']);
  });

  it('refuses what CRI-O would not start with', async () => {
    await engineTree({ [`${folder}/10-crio.conf`]: packaged });
    const inFolder = (name: string) => join(tree.root, folder, name);
    const codes: string[] = [];

    await tree.write(`${folder}/x`, '[crio.runtime\n');
    codes.push(await code(plan(['kata-qemu'])));
    await tree.write(`${folder}/x`, Buffer.from([0xff, 0xfe]));
    codes.push(await code(plan(['kata-qemu'])));
    await tree.write(`${folder}/x`, '');
    await symlink('/nowhere', inFolder('dangling'));
    codes.push(await code(plan(['kata-qemu'])));
    await rename(inFolder('dangling'), join(tree.root, 'gone'));
    await symlink('/etc', inFolder('folder'));
    codes.push(await code(plan(['kata-qemu'])));

    assert.deepEqual(codes, Array(4).fill('engine-config-invalid'));
  });

  it('refuses a folder that is a link, and a file of our name that it did not write', async () => {
    await engineTree({ '/srv/crio.d/10.conf': packaged, '/etc/crio/policy.json': '' });
    await symlink('/srv/crio.d', join(tree.root, folder));

    const linked = await code(plan(['kata-qemu']));
    const named = await plan(['kata-qemu'], undefined, { configFolder: '/srv/crio.d' });
    await tree.write('/srv/crio.d/50-kata-sysext.conf', '# mine\n');
    const taken = await code(plan(['kata-qemu'], undefined, { configFolder: '/srv/crio.d' }));

    assert.equal(linked, 'engine-unsupported');
    assert.deepEqual(
      named.changes.map((change) => change.path),
      ['/srv/crio.d/50-kata-sysext.conf'],
    );
    assert.equal(taken, 'foreign-file');
  });

  it('follows a link above the folder to where the file really goes', async () => {
    await engineTree({ '/var/etc-crio/crio.conf.d/10.conf': packaged });
    await symlink('/var/etc-crio', join(tree.root, 'etc/crio')).catch(async () => {
      await mkdir(join(tree.root, 'etc'));
      await symlink('/var/etc-crio', join(tree.root, 'etc/crio'));
    });

    const { changes } = await plan(['kata-qemu']);

    assert.deepEqual(
      changes.map((change) => change.path),
      ['/var/etc-crio/crio.conf.d/50-kata-sysext.conf'],
    );
  });

  it('leaves our file alone when somebody changed it: kept while it serves, refused when it must change', async () => {
    await engineTree();
    const install = await plan(['kata-qemu']);
    await tree.apply(install);
    await tree.write(ours, `${await tree.read(ours)}container_create_timeout = 300\n`);

    const same = await plan(['kata-qemu'], install.wiring);
    const other = await code(plan(['kata-qemu', 'kata-clh'], install.wiring));
    const removal = await plan([], install.wiring);

    assert.deepEqual([same.changes, same.findings.map((finding) => finding.code)], [[], ['foreign-edit']]);
    assert.equal(other, 'foreign-edit');
    assert.deepEqual([removal.changes, removal.findings.map((finding) => finding.code)], [[], ['foreign-edit']]);
  });

  it('writes it again when somebody deleted it', async () => {
    await engineTree();
    const install = await plan(['kata-qemu']);
    await tree.apply(install);
    await rename(join(tree.root, ours), join(tree.root, 'taken'));

    const again = await plan(['kata-qemu'], install.wiring);

    assert.deepEqual(
      again.changes.map((change) => [change.path, change.before]),
      [[ours, 'absent']],
    );
  });

  it('is removable even where others broke the files, but is not planned there', async () => {
    await engineTree();
    const install = await plan(['kata-qemu']);
    await tree.apply(install);
    await tree.write(`${folder}/broken`, '[[[');

    const removal = await plan([], install.wiring);
    const looked = await code(plan([]));

    assert.deepEqual(
      removal.changes.map((change) => [change.path, change.after]),
      [[ours, 'absent']],
    );
    assert.equal(looked, 'engine-config-invalid');
  });

  it('refuses a file with two names, CRI-O before 1.22, and a shim that CRI-O would drop', async () => {
    await engineTree();
    const install = await plan(['kata-qemu']);
    await tree.apply(install);
    await link(join(tree.root, ours), join(tree.root, 'second'));
    const shim = (name: string): WantedHandler[] => [{ ...handler('kata-qemu'), shim: `/etc/kata/${name}` }];

    const linked = await code(plan([], install.wiring));
    const old = await Promise.all(['1.21.7', '1.22.0', '1.36.3'].map((version) => code(plan(['kata-clh'], install.wiring, { version }))));
    const shims = await Promise.all(
      ['containerd-shim-kata-v2', 'containerd-shim-kata.v2', 'kata-shim', 'containerd-shim-'].map((name) =>
        code(crio.plan(tree.host, instance(), shim(name))),
      ),
    );

    assert.equal(linked, 'engine-unsupported');
    assert.deepEqual(old, ['engine-unsupported', 'engine-unsupported', 'engine-unsupported']);
    assert.deepEqual(shims.slice(1), Array(3).fill('handler-unknown'));
    assert.notEqual(shims[0], 'handler-unknown');
  });

  it('says by any path exactly that path, and nothing besides', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), async (a, b) => {
        await engineTree();
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

  it('installs beside every real file, and leaves each as it was', async function () {
    const data = realData();
    if (data === undefined) {
      console.log('      skipped: there is no ../shared/real-data beside this checkout');
      this.skip();
    }
    const names = readdirSync(join(data, 'cri/crio'));
    for (const name of names) {
      for (const place of [main, `${folder}/${name}`]) {
        await engineTree({ [place]: readFileSync(join(data, 'cri/crio', name)) });
        const before = tree.everything();

        const install = await plan(['kata-qemu', 'kata-clh']);
        await tree.apply(install);
        const text = await tree.read(ours);
        await tree.apply(await plan([], install.wiring));

        assert.equal(text, whole, `${name} as ${place}`);
        assert.deepEqual(tree.everything(), before, `${name} as ${place}`);
      }
    }
    assert.ok(names.length >= 7);
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

function instance(also: Partial<Instance> = {}): Instance {
  return { engine: 'crio', configPath: main, configFolder: folder, socket: '/var/run/crio/crio.sock', ...also };
}

function runtimesIn(text: string): Record<string, Record<string, unknown>> {
  return (toml.parse(text) as never as { crio: { runtime: { runtimes: Record<string, Record<string, unknown>> } } }).crio.runtime.runtimes;
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
