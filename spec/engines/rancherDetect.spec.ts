import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Engine } from '../../cli/engines/contract.ts';
import { k3s } from '../../cli/engines/k3s/index.ts';
import { rke2 } from '../../cli/engines/rke2/index.ts';
import type { Instance, Wiring } from '../../cli/engines/types.ts';
import type { HostView } from '../../cli/host/types.ts';
import { findEngineToWire } from '../../cli/preflight/engine.ts';
import type { Systemd } from '../../cli/systemd/types.ts';
import { baseText } from '../support/rancher.ts';
import { type EngineTree, handler, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';

const folder = '/var/lib/rancher/k3s/agent/etc/containerd';
const server = { '/usr/local/bin/k3s': '', '/etc/systemd/system/k3s.service': '[Service]\nExecStart=/usr/local/bin/k3s server\n' };

interface Process {
  pid: number;
  parent: number;
  program: string;
  args: string[];
  uid?: number;
}

/** A live host where `unit` runs these processes; the first is its main one. */
async function live(tree: EngineTree, unit: string, processes: Process[]): Promise<HostView> {
  await tree.write('/proc/uptime', '1000.00 1000.00\n');
  for (const { pid, parent, program, args, uid = 0 } of processes) {
    const name = args[0]!.slice(args[0]!.lastIndexOf('/') + 1);
    await tree.write(`/proc/${pid}/stat`, `${pid} (${name}) S ${parent}${' 0'.repeat(17)} ${pid} 0\n`);
    await tree.write(`/proc/${pid}/comm`, `${name.slice(0, 15)}\n`);
    await tree.write(`/proc/${pid}/status`, `Name:\t${name}\nPPid:\t${parent}\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
    await tree.write(`/proc/${pid}/cmdline`, `${args.join('\0')}\0`);
    mkdirSync(dirname(join(tree.root, `/proc/${pid}/exe`)), { recursive: true });
    symlinkSync(program, join(tree.root, `/proc/${pid}/exe`));
    symlinkSync('/', join(tree.root, `/proc/${pid}/cwd`));
  }
  const state = (name: string) => ({
    unit: name,
    loadState: 'loaded',
    activeState: name === unit ? 'active' : 'inactive',
    mainPid: name === unit ? processes[0]!.pid : 0,
  });
  const systemd = {
    activeUnits: async () => [unit],
    livingUnits: async () => [unit],
    unit: async (name: string) => state(name),
  } as unknown as Systemd;
  return { ...tree.host, live: true, booted: true, systemd: async () => systemd };
}

async function one(engine: Engine, host: HostView): Promise<Instance> {
  const found = await engine.detect(host);
  assert.equal(found.length, 1);
  return found[0]!;
}

describe('engines/rancher: which containerd, and what it reads', () => {
  const treeOf = treesOfSpec();

  it('is the child of the unit that runs k3s, whatever the unit and the data folder are called, and no shim or user’s process of that name', async () => {
    const data = '/data/k3s';
    const tree = await treeOf({ [`${data}/data/current/bin/containerd`]: '' });
    const k3sProgram = `${data}/data/0f/bin/k3s`;
    const containerd = `${data}/data/0f/bin/containerd`;
    const host = await live(tree, 'k3s-blue.service', [
      { pid: 20, parent: 1, program: k3sProgram, args: ['/usr/local/bin/k3s', 'server'] },
      { pid: 21, parent: 20, program: '/tmp/x', args: ['containerd', '-c', '/tmp/x.toml'], uid: 1000 },
      { pid: 22, parent: 1, program: containerd, args: ['containerd', '-c', '/tmp/old.toml'] },
      { pid: 23, parent: 20, program: k3sProgram, args: ['containerd-shim-runc-v2', '-id', 'x'] },
      {
        pid: 24,
        parent: 20,
        program: k3sProgram,
        args: ['containerd', '-c', `${data}/agent/etc/containerd/config.toml`, '-a', '/run/k3s/c.sock'],
      },
    ]);

    const { engine, instance } = await findEngineToWire(host, undefined);

    assert.equal(engine.name, 'k3s');
    assert.deepEqual(
      [instance.unit, instance.configPath, instance.binary, instance.socket, instance.process?.pid],
      ['k3s-blue.service', `${data}/agent/etc/containerd/config.toml`, `${data}/data/current/bin/containerd`, '/run/k3s/c.sock', 24],
    );
    assert.deepEqual(instance.renderer?.writes, instance.configPath);
  });

  it('an agent of RKE2 has its own binary, and the data folder of its settings before containerd runs', async () => {
    const tree = await treeOf({
      '/usr/lib/systemd/system/rke2-agent.service': '[Service]\nExecStart=/usr/bin/rke2 agent\n',
      '/etc/rancher/rke2/config.yaml': 'token: x\ndata-dir: /srv/rke2/\n',
      '/srv/rke2/bin/containerd': '',
    });
    const host = await live(tree, 'rke2-agent.service', [
      { pid: 30, parent: 1, program: '/usr/bin/rke2', args: ['/usr/bin/rke2', 'agent'] },
    ]);

    const instance = await one(rke2, host);

    assert.deepEqual([instance.configPath, instance.binary], ['/srv/rke2/agent/etc/containerd/config.toml', '/srv/rke2/bin/containerd']);
    assert.equal(instance.socket, '/run/k3s/containerd/containerd.sock');
    assert.doesNotMatch(instance.renderer!.when, /API/);
  });

  it('in a tree the unit of another name is the one that starts k3s, and not one that is only named so', async () => {
    const units = '/etc/systemd/system';
    const tree = await treeOf({
      [`${units}/k3s-backup.service`]: '[Service]\nExecStart=/usr/local/bin/k3s-backup.sh\n',
      [`${units}/k3s-blue.service`]: '[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t--data-dir=/data/blue\n',
      [`${units}/multi-user.target.wants/k3s-backup.service`]: '',
    });

    const instance = await one(k3s, tree.host);

    assert.deepEqual([instance.unit, instance.configPath], ['k3s-blue.service', '/data/blue/agent/etc/containerd/config.toml']);
  });

  it('the data folder of a tree: options as get.k3s.io writes them, variables, and settings of another file', async () => {
    const unit = (text: string) => ({ '/etc/systemd/system/k3s.service': `[Service]\n${text}\n`, '/usr/local/bin/k3s': '' });
    const installer = (words: string) => `ExecStart=/usr/local/bin/k3s \\\n    server \\\n${words}\n`;
    const start = 'ExecStart=/usr/local/bin/k3s server';
    const file = 'EnvironmentFile=-/etc/systemd/system/%N.service.env\n';
    const env = (text: string) => ({ '/etc/systemd/system/k3s.service.env': text });
    const other = { '/etc/k3s/own.yaml': 'data-dir: /own\n', '/etc/rancher/k3s/config.yaml': 'data-dir: /usual\n' };
    const trees: [files: Record<string, string>, dataDir: string][] = [
      [unit(installer("\t'--data-dir' \\\n\t'/mnt/k3s' \\\n")), '/mnt/k3s'],
      [unit(installer("\t'-d' \\\n\t'/mnt/with space/' \\\n")), '/mnt/with space'],
      [unit(`${start} "--data-dir=/mnt/a" --data-dir   /mnt/b`), '/mnt/b'],
      [unit(`ExecStart=/bin/sh -c 'exec /usr/local/bin/k3s server --data-dir "/mnt/sh"'`), '/mnt/sh'],
      [{ ...unit(`${file}${start}`), ...env("K3S_TOKEN='x'\nK3S_DATA_DIR='/mnt/file'\n") }, '/mnt/file'],
      [unit(`Environment="A=b c" K3S_DATA_DIR=/mnt/set\n${start}`), '/mnt/set'],
      [{ ...unit(`${file}Environment=K3S_DATA_DIR=/mnt/set\n${start}`), ...env('K3S_DATA_DIR=/mnt/file\n') }, '/mnt/file'],
      [{ ...unit(`Environment=K3S_DATA_DIR=/mnt/set\n${start}`), '/etc/rancher/k3s/config.yaml': 'data-dir: /file\n' }, '/file'],
      [{ ...unit(`${file}${start} $K3S_MORE --data-dir=\${BASE}/k3s`), ...env('K3S_MORE=--data-dir /x\nBASE=/y\n') }, '/y/k3s'],
      [{ ...unit(`${start} --config /etc/k3s/own.yaml`), ...other }, '/own'],
      [{ ...unit(`${start} '-c=/etc/k3s/own.yaml'`), ...other, '/etc/k3s/own.yaml.d/1.YML': 'd: /last\n' }, '/last'],
      [{ ...unit(`Environment=K3S_CONFIG_FILE=/etc/k3s/own.yaml\n${start} -c /x`), ...other }, '/own'],
      [{ ...unit(start), '/etc/rancher/k3s/config.yaml': 'a: &x 1\nb: *x\ndata-dir: "/alias"\n' }, '/alias'],
      [unit(`Environment=RKE2_DATA_DIR=/x\n${start}`), '/var/lib/rancher/k3s'],
    ];
    const found: string[] = [];
    for (const [files] of trees) found.push((await one(k3s, (await treeOf(files)).host)).configPath);
    const remote = await treeOf(unit(`${start} --config https://x/k3s.yaml`));
    const agent = await treeOf({
      '/usr/lib/systemd/system/rke2-agent.service': '[Service]\nEnvironment=RKE2_DATA_DIR=/r\nExecStart=/usr/bin/rke2 agent\n',
    });

    const refused = await refusalOf(k3s.detect(remote.host));

    assert.deepEqual(
      found,
      trees.map(([, dataDir]) => `${dataDir}/agent/etc/containerd/config.toml`),
    );
    assert.equal(refused, 'engine-unsupported');
    assert.equal((await one(rke2, agent.host)).configPath, '/r/agent/etc/containerd/config.toml');
  });

  it('the default handler and another CRI are seen wherever the settings name them', async () => {
    const unit = (words: string) => ({ '/etc/systemd/system/k3s.service': `[Service]\nExecStart=/usr/local/bin/k3s server ${words}\n` });
    const named = await treeOf(unit("\\\n\t'--default-runtime' \\\n\t'kata' \\\n"));
    const own = { '/etc/k3s.yaml': 'container-runtime-endpoint: /run/crio/crio.sock\n' };
    const [elsewhere, unread] = [await treeOf({ ...unit('-c /etc/k3s.yaml'), ...own }), await treeOf({ ...unit(''), ...own })];

    const settings = await k3s.readSettings!(named.host, await one(k3s, named.host));

    const leftOver = await treeOf({
      ...unit(''),
      '/etc/systemd/system/k3s-agent.service': '[Service]\nExecStart=/usr/local/bin/k3s agent --config /etc/agent.yaml\n',
      '/etc/rancher/k3s/config.yaml': 'docker: true\n',
    });

    assert.match(JSON.stringify(settings), /"default_runtime_name":"kata"/);
    assert.deepEqual(await k3s.detect(leftOver.host), []);
    assert.deepEqual([(await k3s.detect(elsewhere.host)).length, (await k3s.detect(unread.host)).length], [0, 1]);
  });

  it('the data folder of a file with aliases is that which the program reads', async () => {
    const { host } = await treeOf({
      '/etc/systemd/system/k3s.service': '[Service]\nExecStart=/usr/local/bin/k3s server\n',
      '/etc/rancher/k3s/config.yaml': 'x: &a /mnt/k3s\ndata-dir: *a\n',
    });

    assert.equal((await one(k3s, host)).configPath, '/mnt/k3s/agent/etc/containerd/config.toml');
  });

  it('k3s that uses another CRI is no engine, live and in a tree', async () => {
    const tree = await treeOf({
      ...server,
      '/etc/rancher/k3s/config.yaml': 'container-runtime-endpoint: unix:///run/containerd/containerd.sock\n',
    });
    const host = await live(tree, 'k3s.service', [{ pid: 40, parent: 1, program: '/usr/local/bin/k3s', args: ['k3s', 'server'] }]);

    assert.deepEqual([await k3s.detect(host), await k3s.detect(tree.host)], [[], []]);
  });

  it('what was recorded is found again by its unit: before a first start, with another data folder, and not where the unit is gone', async () => {
    const recorded = {
      engine: 'k3s',
      configPath: `${folder}/config.toml`,
      unit: 'k3s.service',
      marks: [],
      handlers: [],
      folders: [],
    } as unknown as Wiring;
    const [tree, moved, gone] = [
      await treeOf(server),
      await treeOf({
        ...server,
        '/data/k3s/agent/etc/containerd/config.toml': baseText({ program: 'k3s', age: '2026', dataDir: '/data/k3s' }),
      }),
      await treeOf({}),
    ];

    const found = await k3s.findRecorded(tree.host, recorded);
    const elsewhere = await k3s.findRecorded(moved.host, { ...recorded, configPath: '/data/k3s/agent/etc/containerd/config.toml' });

    assert.deepEqual([found?.configPath, found?.unit], [`${folder}/config.toml`, 'k3s.service']);
    assert.equal(elsewhere?.configPath, '/data/k3s/agent/etc/containerd/config.toml');
    assert.equal(await k3s.findRecorded(gone.host, recorded), undefined);
  });

  it('OpenRC is named and refused', async () => {
    const tree = await treeOf({ '/etc/init.d/k3s': '#!/sbin/openrc-run\n', '/usr/local/bin/k3s': '' });

    const refused = await k3s.detect(tree.host, '1.35.3').catch((error: { message: string }) => error.message);

    assert.match(String(refused), /OpenRC.*\/etc\/init\.d\/k3s/);
    assert.equal(await refusalOf(findEngineToWire(tree.host, undefined)), 'engine-unsupported');
  });

  it('a restart would apply what is newer than the running containerd: templates, settings and the program, but not the rendered file', async () => {
    const settings = '/etc/rancher/k3s/config.yaml';
    const program = '/usr/local/bin/k3s';
    const [template, main] = [`${folder}/config-v3.toml.tmpl`, `${folder}/config.toml`];
    const tree = await treeOf({
      ...server,
      [settings]: 'token: x\n',
      [template]: '{{ template "base" . }}\n',
      [main]: baseText({ program: 'k3s', age: '2025' }),
    });
    const host = await live(tree, 'k3s.service', [
      { pid: 50, parent: 1, program, args: ['/usr/local/bin/k3s', 'server'] },
      { pid: 51, parent: 50, program: '/x/containerd', args: ['containerd', '-c', main] },
    ]);
    const instance = await one(k3s, host);
    const newer = async (...paths: string[]) => {
      for (const path of [settings, template, main, program])
        utimesSync(join(tree.root, path), 1e9, paths.includes(path) ? Date.now() / 1000 : 1e9);
      return (await k3s.daemon!.pendingRestarts(host, instance)).map(({ code, subject }) => [code, subject]);
    };

    const found = [await newer(main), await newer(settings), await newer(template), await newer(program)];

    assert.deepEqual(found, [[], ...[settings, template, program].map((path) => [['engine-pending-edits', path]])]);
  });

  it('the tree of an OS image is refused where the data folder is below /var, which does not come to a host', async () => {
    const tree = await treeOf(server);
    const instance = await one(k3s, tree.host);
    const [image, elsewhere] = [
      { ...tree.host, image: true },
      { ...instance, configPath: '/data/k3s/agent/etc/containerd/config.toml' },
    ];

    const refused = await refusalOf(k3s.plan(image, instance, [handler('kata-qemu')]));
    const taken = await refusalOf(k3s.plan(image, elsewhere, [handler('kata-qemu')]));

    assert.deepEqual([refused, taken], ['engine-unsupported', 'no error']);
  });

  it('--engine k3s@VERSION is the version of k3s or of containerd', async () => {
    const tree = await treeOf({});
    const versions = ['1.35.3', 'v1.31.6+k3s1', '1.31.5', '1.30.4+k3s1', '1.7.24', '2.2.3'];

    const found = await Promise.all(versions.map(async (version) => (await k3s.detect(tree.host, version))[0]?.version));

    assert.deepEqual(found, ['2.0', '2.0', '1.7', '1.7', '1.7.24', '2.2.3']);
  });

  it('what others wrote into a template since stays, and so does a template that got more than kata-sysext’s', async () => {
    const tree = await treeOf({ ...server, [`${folder}/config.toml`]: baseText({ program: 'k3s', age: '2025' }) });
    const template = `${folder}/config-v3.toml.tmpl`;
    const instance = { ...(await one(k3s, tree.host)), version: '2.1.5' };
    const first = await k3s.plan(tree.host, instance, [handler('kata-qemu')]);
    await tree.apply(first);
    const more = '\n[debug]\n  level = "info"\n';
    await tree.write(template, (await tree.read(template)) + more);

    const second = await k3s.plan(tree.host, instance, [handler('kata-qemu'), handler('kata-clh')], first.wiring);
    await tree.apply(second);
    const wired = await tree.read(template);
    await tree.apply(await k3s.plan(tree.host, instance, [], second.wiring));

    assert.match(wired, /kata-clh[\s\S]*\[debug\]/);
    assert.match(await tree.read(template), /^# Made by kata-sysext.*\n\{\{ template "base" \. \}\}\n\n\[debug\]\n {2}level = "info"\n$/);
  });

  it('templates of braces without end, and of actions without number, are refused like others that cannot be read', async () => {
    const texts = [
      '{'.repeat(1 << 19),
      '{{/*'.repeat(1 << 17),
      '{{ x }}'.repeat(50_000),
      `{{ template "base" . }}\n${'x = {{ y }} # '.repeat(40_000)}`,
    ];
    const codes: string[] = [];
    for (const text of texts) {
      const tree = await treeOf({ ...server, [`${folder}/config-v3.toml.tmpl`]: text });
      codes.push(await refusalOf(k3s.plan(tree.host, { ...(await one(k3s, tree.host)), version: '2.1.5' }, [handler('kata-qemu')])));
    }

    assert.deepEqual(
      codes,
      texts.map(() => 'engine-unsupported'),
    );
  });

  it('a key that an editor wrote below the last table of kata-sysext is not taken along', async () => {
    const tree = await treeOf({ ...server, [`${folder}/config.toml`]: baseText({ program: 'k3s', age: '2025' }) });
    const template = `${folder}/config-v3.toml.tmpl`;
    const instance = { ...(await one(k3s, tree.host)), version: '2.1.5' };
    const first = await k3s.plan(tree.host, instance, [handler('kata-qemu')]);
    await tree.apply(first);
    const edited = `${await tree.read(template)}  mine = true\n`;
    await tree.write(template, edited);

    const away = await k3s.plan(tree.host, instance, [], first.wiring);
    const refused = await refusalOf(k3s.plan(tree.host, instance, [handler('kata-clh')], first.wiring));

    assert.deepEqual([away.changes, away.findings.map(({ code }) => code)], [[], ['foreign-edit']]);
    assert.equal(refused, 'foreign-edit');
    assert.equal(await tree.read(template), edited);
  });

  it('is wired again as a newer release needs it: two templates, one, a drop-in', async () => {
    const tree = await treeOf({ ...server, [`${folder}/config.toml`]: baseText({ program: 'k3s', age: '2024' }) });
    const wanted = [handler('kata-qemu')];
    const instance = await one(k3s, tree.host);
    const before = tree.everything();
    let recorded: Wiring | undefined;
    const steps: string[][] = [];
    for (const [age, version] of [
      ['2024', '1.7.23'],
      ['2025', '2.1.5'],
      ['2026', '2.2.3'],
      ['2025', '2.1.5'],
    ] as const) {
      await tree.write(`${folder}/config.toml`, baseText({ program: 'k3s', age }));
      const plan = await k3s.plan(tree.host, { ...instance, version }, wanted, recorded);
      await tree.apply(plan);
      recorded = plan.wiring;
      steps.push(Object.keys(tree.everything()).filter((path) => path.startsWith(`${folder}/config`) && /tmpl|sysext/.test(path)));
    }
    await tree.write(`${folder}/config.toml`, baseText({ program: 'k3s', age: '2024' }));
    await tree.apply(await k3s.plan(tree.host, instance, [], recorded));

    const names = steps.map((paths) => paths.map((path) => path.slice(folder.length + 1)).sort());
    assert.deepEqual(names, [
      ['config-v3.toml.tmpl', 'config.toml.tmpl'],
      ['config-v3.toml.tmpl'],
      ['config-v3.toml.d/kata-sysext.toml'],
      ['config-v3.toml.tmpl'],
    ]);
    assert.deepEqual(tree.everything(), before);
  });
});
