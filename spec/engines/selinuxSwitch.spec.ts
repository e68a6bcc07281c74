import assert from 'node:assert/strict';
import toml from '@iarna/toml';
import { exceptSwitch, setsLabels, withSwitch } from '../../cli/engines/common/selinuxSwitch.ts';
import { containerd } from '../../cli/engines/containerd/index.ts';
import type { Engine } from '../../cli/engines/contract.ts';
import { crio } from '../../cli/engines/crio/index.ts';
import { k0s } from '../../cli/engines/k0s/index.ts';
import { k3s } from '../../cli/engines/k3s/index.ts';
import type { Instance, Wiring, WiringPlan } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { openView } from '../../cli/host/index.ts';
import { containerdBinaries } from '../support/live/containerdBinary.ts';
import { type EngineTree, engineTree, handler, instanceOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { instance as crioInstance, main as crioMain, folder } from './crioPlans.ts';

const main = '/etc/containerd/config.toml';
const oldTable = '[plugins."io.containerd.grpc.v1.cri"]';
const newTable = '[plugins."io.containerd.cri.v1.runtime"]';
const runc = `  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\n    runtime_type = "io.containerd.runc.v2"\n`;
const note = 'turned on by kata-sysext (--allow engine-selinux)';

interface Row {
  what: string;
  version: string;
  files: Record<string, string>;
  /** The file that has the switch afterwards, and a line of it. */
  path: string;
  line: string;
}

const imported = { '/etc/containerd/conf.d/.keep': '' };
const rows: Row[] = [
  {
    what: '1.7, off in the table: the line is kept as a comment',
    version: '1.7.24',
    files: { [main]: `version = 2\n${oldTable}\n  sandbox_image = "p"\n  enable_selinux = false # ours\n${runc}` },
    path: main,
    line: `  enable_selinux = true # ${note}; before: enable_selinux = false # ours`,
  },
  {
    what: '1.7, a table without the key: a line below its header',
    version: '1.7.24',
    files: { [main]: `version = 2\r\n${oldTable}\r\n  sandbox_image = "p"\r\n` },
    path: main,
    line: `  enable_selinux = true # ${note}`,
  },
  {
    what: '1.7, no table: a table at the end',
    version: '1.7.24',
    files: { [main]: `version = 2\n${runc}`.replace(/\n$/, '') },
    path: main,
    line: `enable_selinux = true # ${note}`,
  },
  {
    what: '2.1 with imports: a file beside the drop-in, which wins over the main file',
    version: '2.1.9',
    files: { ...imported, [main]: `version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n${newTable}\n  enable_selinux = false\n` },
    path: '/etc/containerd/conf.d/kata-sysext-selinux.toml',
    line: 'enable_selinux = true',
  },
  {
    what: '2.1 without imports: a file that the import of kata-sysext finds',
    version: '2.1.9',
    files: { [main]: `version = 2\n${oldTable}\n  sandbox_image = "p"\n` },
    path: '/etc/containerd/kata-sysext-selinux.toml',
    line: 'enable_selinux = true',
  },
];

describe('engines: the SELinux switch', () => {
  const engineTree = treesOfSpec();

  async function planOf(
    tree: EngineTree,
    engine: Engine,
    instance: Instance,
    { names = ['kata-qemu'], on = true, recorded }: { names?: string[]; on?: boolean; recorded?: Wiring } = {},
  ): Promise<WiringPlan> {
    const plan = await engine.plan(tree.host, instance, names.map(handler), recorded);
    return withSwitch(tree.host, { engine, instance }, plan, { on, consent: true, recorded: recorded?.selinux });
  }

  for (const { what, version, files, path, line } of rows)
    it(`containerd ${what}`, async () => {
      const tree = await engineTree(files);
      const before = tree.everything();
      const instance = instanceOf(version);

      const bare = await containerd.plan(tree.host, instance, [handler('kata-qemu')]);
      const install = await planOf(tree, containerd, instance);
      await tree.apply(install);
      const text = await tree.read(path);
      const again = await planOf(tree, containerd, instance, { recorded: install.wiring! });
      const off = await planOf(tree, containerd, instance, { on: false, recorded: install.wiring! });
      const removal = await planOf(tree, containerd, instance, { names: [], on: false, recorded: install.wiring! });
      await tree.apply(removal);

      assert.deepEqual(install.changes.slice(0, bare.changes.length), bare.changes, 'the edits of the handlers are the same');
      assert.deepEqual([install.changes.at(-1)?.path, install.selinux], [path, 'comes']);
      assert.ok(text.split(/\r?\n/).includes(line), text);
      assert.doesNotThrow(() => toml.parse(text.replaceAll('\r\n', '\n')));
      assert.deepEqual([again.changes, again.selinux, again.wiring], [[], 'stays', install.wiring]);
      assert.deepEqual([off.changes.map((change) => change.path), off.selinux, off.wiring?.selinux], [[path], 'goes', undefined]);
      assert.deepEqual(tree.everything(), before);
    });

  it('is a change of its own beside that of the handlers in one file, each with its own text', async () => {
    const tree = await engineTree(rows[0]!.files);

    const { changes, findings } = await planOf(tree, containerd, instanceOf('1.7.24'));

    assert.deepEqual(
      changes.map(({ path, ours }) => [
        path,
        ours.map((text) => text.includes('enable_selinux')),
        ours.map((text) => text.includes('kata-qemu')),
      ]),
      [
        [main, [false], [true]],
        [main, [true], [false]],
      ],
    );
    assert.deepEqual(
      findings.map(({ code, level }) => `${code} ${level}`),
      ['engine-selinux warning'],
    );
  });

  it('that is on already is left to its owner', async () => {
    const tree = await engineTree({ [main]: `version = 2\n${oldTable}\n  enable_selinux = true\n` });

    const plan = await planOf(tree, containerd, instanceOf('1.7.24'));

    assert.deepEqual([plan.selinux, plan.wiring?.selinux, plan.changes.length], [undefined, undefined, 1]);
  });

  it('an edit of another program in the line stays at an uninstall, and is reported', async () => {
    const tree = await engineTree(rows[0]!.files);
    const instance = instanceOf('1.7.24');
    const install = await planOf(tree, containerd, instance);
    await tree.apply(install);
    const edited = (await tree.read(main)).replace(/enable_selinux = true #.*/, 'enable_selinux = true # mine');
    await tree.write(main, edited);

    const removal = await planOf(tree, containerd, instance, { names: [], on: false, recorded: install.wiring! });
    await tree.apply(removal);

    assert.match(await tree.read(main), /enable_selinux = true # mine/);
    assert.deepEqual(
      removal.findings.map(({ code, subject }) => `${code} ${subject}`),
      [`foreign-edit ${main}`],
    );
  });

  it('other edits of the file stay when it goes', async () => {
    const tree = await engineTree(rows[1]!.files);
    const instance = instanceOf('1.7.24');
    const install = await planOf(tree, containerd, instance);
    await tree.apply(install);
    await tree.write(main, (await tree.read(main)).replace('"p"', '"q"'));

    await tree.apply(await planOf(tree, containerd, instance, { names: [], on: false, recorded: install.wiring! }));

    assert.equal(await tree.read(main), rows[1]!.files[main]!.replace('"p"', '"q"'));
  });

  it('goes from the record as well where the handlers’ text was edited, so that their recorded wiring stays', async () => {
    const tree = await engineTree(rows[0]!.files);
    const instance = instanceOf('1.7.24');
    const install = await planOf(tree, containerd, instance);
    await tree.apply(install);
    await tree.write(main, (await tree.read(main)).replace('privileged_without_host_devices', '# mine\nprivileged_without_host_devices'));

    const off = await planOf(tree, containerd, instance, { on: false, recorded: install.wiring! });

    assert.deepEqual([off.wiring?.method, off.wiring?.selinux], ['range', undefined]);
    assert.deepEqual(
      off.changes.map(({ path }) => path),
      [main],
    );
  });

  it('that a later file says otherwise of is a warning for who did not ask for it again, and leaves the record', async () => {
    const tree = await engineTree({ [main]: 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n' });
    const instance = instanceOf('2.1.9');
    const install = await planOf(tree, containerd, instance);
    await tree.apply(install);
    await tree.write('/etc/containerd/conf.d/zz.toml', `version = 3\n${newTable}\nenable_selinux = false\n`);

    const plan = await containerd.plan(tree.host, instance, [handler('kata-qemu')], install.wiring);
    const next = await withSwitch(tree.host, { engine: containerd, instance }, plan, {
      on: true,
      consent: false,
      recorded: install.wiring?.selinux,
    });

    assert.deepEqual([next.selinux, next.wiring?.selinux], ['goes', undefined]);
    assert.match(next.findings.map(({ found }) => found).join(), /cannot be kept \(.*zz\.toml says otherwise/);
  });

  const refusedRows: [string, Engine, Instance, Record<string, string>, RegExp][] = [
    [
      'a later drop-in says otherwise',
      containerd,
      instanceOf('2.1.9'),
      {
        [main]: 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n',
        '/etc/containerd/conf.d/zz.toml': `version = 3\n${newTable}\nenable_selinux = false\n`,
      },
      /zz\.toml says otherwise/,
    ],
    [
      'the key is in an inline table',
      containerd,
      instanceOf('1.7.24'),
      { [main]: 'version = 2\n[plugins]\n"io.containerd.grpc.v1.cri".enable_selinux = false\n' },
      /a shape in which the key enable_selinux cannot be set/,
    ],
    ['there is no main file', containerd, instanceOf('1.7.24'), {}, /a file of kata-sysext’s for the handlers alone/],
    [
      'containerd is too old for a shim by its path',
      containerd,
      instanceOf('1.6.20'),
      { [main]: `version = 2\n${oldTable}\n  sandbox_image = "p"\n` },
      /enable_selinux = true/,
    ],
    ['k0s', k0s, { engine: 'k0s', configPath: '/etc/k0s/containerd.toml', version: '1.36.0' }, {}, /no file of kata-sysext’s/],
  ];
  for (const [what, engine, instance, files, found] of refusedRows)
    it(`is refused where ${what}: no file changes, and the refusal says where to turn it on`, async () => {
      const tree = await engineTree(files);
      const base = engine === k0s ? { ...emptyPlan, wiring: { ...wiringOf(instance) } } : undefined;

      const refused = await (base === undefined
        ? planOf(tree, engine, instance)
        : withSwitch(tree.host, { engine, instance }, base, { on: true, consent: true, recorded: undefined })
      ).catch((error: unknown) => error);

      assert.ok(refused instanceof KataError, String(refused));
      assert.equal(refused.code, 'engine-unsupported');
      assert.match(refused.complaint.found, found);
    });

  const emptyPlan: WiringPlan = { changes: [], makeFolders: [], dropFolders: [], findings: [] };
  function wiringOf({ engine, configPath }: Instance): Wiring {
    return { engine, configPath, method: 'drop-in', handlers: [], marks: [], folders: [], key: 'sha256:0' };
  }

  it('of an engine whose own a person turns on is none to turn where a file says on, also on a tree', async () => {
    const instance = { engine: 'k0s', configPath: '/etc/k0s/containerd.toml', version: '1.36.0' };
    const tree = await engineTree({
      '/etc/k0s/containerd.d/10-admin.toml': `version = 2\n${oldTable}\nenable_selinux = false\n`,
      '/etc/k0s/containerd.d/20-admin.toml': `version = 2\n${oldTable}\nenable_selinux = true\n`,
    });
    const base = { ...emptyPlan, wiring: wiringOf(instance) };

    const plan = await withSwitch(tree.host, { engine: k0s, instance }, base, { on: true, consent: true, recorded: undefined });

    assert.deepEqual([plan.changes, plan.selinux], [[], undefined]);
  });

  it('CRI-O: keys count in any case, as CRI-O takes them', async () => {
    const tree = await engineTree({ [crioMain]: '[CRIO.Runtime]\nSELINUX = false\n' });

    const { selinux, changes } = await planOf(tree, crio, crioInstance());

    assert.deepEqual([selinux, changes.some(({ path }) => path.endsWith('zz-kata-sysext-selinux.conf'))], ['comes', true]);
  });

  it('CRI-O: one drop-in, which is read last; without the key CRI-O does as the host does', async () => {
    const path = `${folder}/zz-kata-sysext-selinux.conf`;
    const tree = await engineTree({ [crioMain]: '[crio.runtime]\n', [`${folder}/99-admin.conf`]: '[crio.runtime]\nselinux = false\n' });
    const before = tree.everything();
    const silent = await engineTree({ [crioMain]: '[crio.runtime]\n' });

    const none = await planOf(silent, crio, crioInstance());
    const install = await planOf(tree, crio, crioInstance());
    await tree.apply(install);
    const text = toml.parse(await tree.read(path));
    await tree.apply(await planOf(tree, crio, crioInstance(), { names: [], on: false, recorded: install.wiring! }));

    assert.equal(none.selinux, undefined);
    assert.deepEqual([install.selinux, install.wiring?.selinux?.marks.map((mark) => mark.path)], ['comes', [path]]);
    assert.deepEqual(JSON.parse(JSON.stringify(text)), { crio: { runtime: { selinux: true } } });
    assert.deepEqual(tree.everything(), before);
  });

  it('k3s: a file of its settings folder, for root alone; its folder goes with it; a flag wins', async () => {
    const path = '/etc/rancher/k3s/config.yaml.d/zz-kata-sysext-selinux.yaml';
    const unit = '/etc/systemd/system/k3s.service';
    const instance: Instance = { engine: 'k3s', unit: 'k3s.service', configPath: '/var/lib/rancher/k3s/agent/etc/containerd/config.toml' };
    const start = (flags: string) => `[Service]\nExecStart=/usr/local/bin/k3s server${flags}\n`;
    const tree = await engineTree({ '/etc/rancher/k3s/config.yaml': 'selinux: false\n', [unit]: start('') });
    const before = tree.everything();
    const flagged = await engineTree({ [unit]: start(' --selinux') });
    const forbidden = await engineTree({ [unit]: start(' --selinux=false') });
    const set = await engineTree({ [unit]: `[Service]\nEnvironment=K3S_SELINUX=true\n${start('').slice(10)}` });
    const elsewhere = await engineTree({ [unit]: start(' \\\n\t--config \\\n\t/etc/own.yaml') });

    const install = await planOf(tree, k3s, instance);
    await tree.apply(install);
    const text = await tree.read(path);
    const again = await planOf(tree, k3s, instance, { recorded: install.wiring! });
    await tree.apply(await planOf(tree, k3s, instance, { names: [], on: false, recorded: install.wiring! }));
    const there = [await planOf(flagged, k3s, instance), await planOf(set, k3s, instance)];
    const besides = await planOf(elsewhere, k3s, instance);
    const refused = await planOf(forbidden, k3s, instance).catch((error: unknown) => error);

    assert.match(text, /^selinux: true$/m);
    assert.equal(install.changes.find((change) => change.path === path)?.mode, 0o600);
    assert.deepEqual([again.changes, again.selinux], [[], 'stays']);
    assert.deepEqual(tree.everything(), before);
    assert.deepEqual(
      there.map(({ selinux }) => selinux),
      [undefined, undefined],
    );
    assert.ok(besides.changes.some((change) => change.path === '/etc/own.yaml.d/zz-kata-sysext-selinux.yaml'));
    assert.ok(refused instanceof KataError && /--selinux=false/.test(refused.complaint.found));
  });
});

describe('engines: the SELinux switch, judged by the binaries of containerd', () => {
  const live = openView('/', {});
  const binaries = containerdBinaries();
  const heads: [what: string, head: (id: string) => string][] = [
    ['off', (id) => `[plugins."${id}"]\n  enable_selinux = false\n`],
    ['not named', (id) => `[plugins."${id}"]\n`],
    ['without a table', () => ''],
  ];

  it('have one at least', function () {
    if (binaries.length === 0) {
      console.log('      left out: containerd');
      this.skip();
    }
  });

  for (const { path: binary, version } of binaries)
    for (const [what, head] of heads)
      it(`${version}, ${what}: only the switch and the handler differ, and it is on; then nothing differs`, async () => {
        const schema = version.startsWith('1.') ? 2 : 3;
        const id = schema === 2 ? 'io.containerd.grpc.v1.cri' : 'io.containerd.cri.v1.runtime';
        const tree = await engineTree({});
        const configPath = `${tree.root}/etc/containerd/config.toml`;
        await tree.write('/etc/containerd/config.toml', `version = ${schema}\n${head(id)}`);
        // Up to 1.6.20 the handler's type is no type of Kata, so that the switch is refused: the text of a later one is what is judged.
        const known = version === '1.6.20' ? '1.6.36' : version;
        const instance: Instance = { engine: 'containerd', version: known, binary, configPath, socket: '/nonexistent' };
        const scratch = async (name: string, text: string) => {
          await tree.write(`/scratch/${name}`, text);
          return `${tree.root}/scratch/${name}`;
        };
        const bare = await containerd.dump!.dumpEffective(live, instance);

        const own = await containerd.plan(live, instance, [handler('kata-qemu')]);
        const plan = await withSwitch(live, { engine: containerd, instance }, own, { on: true, consent: true, recorded: undefined });
        const diff = exceptSwitch(containerd, await containerd.dump!.validate(live, instance, plan, scratch));
        const planned = await containerd.dump!.renderPlanned(live, instance, plan, scratch);
        for (const change of plan.changes) await tree.write(change.path.slice(tree.root.length), (change.after as { text: string }).text);
        const off = await withSwitch(live, { engine: containerd, instance }, await containerd.plan(live, instance, [], plan.wiring), {
          on: false,
          consent: false,
          recorded: plan.wiring?.selinux,
        });
        const after = await containerd.dump!.renderPlanned(live, instance, off, scratch);
        await tree.remove();

        assert.deepEqual([diff.others, diff.warnings], [[], []]);
        assert.deepEqual([setsLabels(containerd, bare), setsLabels(containerd, planned)], [false, true]);
        assert.deepEqual(containerd.dump!.compare(bare, after, []), { ours: [], others: [], warnings: [] });
      });
});
