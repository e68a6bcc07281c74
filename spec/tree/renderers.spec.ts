import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { json } from '../support/program.ts';
import { baseText } from '../support/rancher.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';
import { untouched } from '../support/trees/untouched.ts';

/** The unit files of these installers, enabled as they enable them. */
const hosts: Record<string, { unit: string; text: string }> = {
  k3s: { unit: 'k3s.service', text: '[Service]\nType=notify\nExecStart=/usr/local/bin/k3s \\\n    server \\\n' },
  RKE2: { unit: 'rke2-agent.service', text: '[Service]\nExecStart=/usr/local/bin/rke2 agent\n' },
  microk8s: {
    unit: 'snap.microk8s.daemon-containerd.service',
    text: '[Service]\nExecStart=/usr/bin/snap run microk8s.daemon-containerd\n',
  },
};

/** Those that are wired, by their name of an engine. */
const wired: Record<string, string> = { k3s: 'k3s', RKE2: 'rke2' };

function enable(root: string, { unit, text }: { unit: string; text: string }): void {
  put(root, `etc/systemd/system/${unit}`, text);
  put(root, 'etc/systemd/system/multi-user.target.wants/other.service', '');
  symlinkSync(`/etc/systemd/system/${unit}`, join(root, 'etc/systemd/system/multi-user.target.wants', unit));
}

describe('a host whose containerd gets its configuration from another program', function () {
  this.timeout(300_000);
  let host: TreeHost;
  let first: string;

  before(async () => {
    ({ first } = await releases());
  });
  beforeEach(() => {
    host = treeHost('fcos');
  });
  afterEach(() => host.remove());

  for (const [name, row] of Object.entries(hosts).filter(([name]) => wired[name] !== undefined)) {
    it(`${name}: its own template is wired, --engine containerd is refused, and uninstall gives every byte back`, async () => {
      enable(host.root, row);
      const refused = await untouched(host, ['install', first], 3, 'engine-rendered');
      host.remove();
      host = treeHost('fcos', (root) => enable(root, row), { engine: wired[name]! });
      const folder = `var/lib/rancher/${wired[name]}/agent/etc/containerd`;
      const before = host.fingerprint();

      const plan = (await host.json(['install', first, '--dry-run'])) as { rendered?: { title: string; writes: string } };
      await host.json(['install', first]);
      const texts = ['config-v3.toml.tmpl', 'config.toml.tmpl'].map((file) => readFileSync(host.path(`${folder}/${file}`), 'utf8'));
      const [wiring] = [((await host.json(['status'])) as { engine?: { name: string; method: string } }).engine];
      await host.json(['uninstall', '--purge']);

      assert.match(String(refused['next']), new RegExp(`--engine ${wired[name]}$`));
      assert.deepEqual([plan.rendered?.title, plan.rendered?.writes], [name, `/${folder}/config.toml`]);
      for (const text of texts) assert.match(text, /^\{\{ template "base" \. \}\}\n[\s\S]*kata-qemu-runtime-rs/m);
      assert.equal(wiring?.name, wired[name]);
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  }

  it('nodeadm: a NodeConfig is wired, --engine containerd is refused, and uninstall gives every byte back', async () => {
    const start = '/usr/bin/nodeadm init --skip config --config-source imds://user-data --config-source file:///etc/eks/nodeadm.d/';
    const row = { unit: 'nodeadm-run.service', text: `[Service]\nType=oneshot\nExecStart=${start}\n` };
    const prepare = (root: string) => {
      enable(root, row);
      put(root, 'etc/eks/nodeadm.d/README', '');
    };
    prepare(host.root);
    const refused = await untouched(host, ['install', first], 3, 'engine-rendered');
    host.remove();
    host = treeHost('fcos', prepare, { engine: 'nodeadm@2.1' });
    const before = host.fingerprint();

    const done = (await host.json(['install', first])) as { restarted: string[]; findings: { code: string }[] };
    const text = readFileSync(host.path('etc/eks/nodeadm.d/90-kata-sysext.yaml'), 'utf8');
    await host.json(['uninstall', '--purge']);

    assert.match(String(refused['next']), /--engine nodeadm$/);
    assert.deepEqual([done.restarted, done.findings.some(({ code }) => code === 'engine-user-data')], [[], true]);
    assert.match(text, /^ {6}\[plugins\."io\.containerd\.cri\.v1\.runtime"\.containerd\.runtimes\.kata-qemu-runtime-rs\]$/m);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('k3s: the folder that its rendered file imports has the drop-in, and no template', async () => {
    host.remove();
    host = treeHost('fcos', (root) => enable(root, hosts['k3s']!), { engine: 'k3s@1.35.3' });
    const folder = 'var/lib/rancher/k3s/agent/etc/containerd';
    put(host.root, `${folder}/config.toml`, baseText({ program: 'k3s', age: '2026' }));

    const done = (await host.json(['install', first])) as { findings: { code: string; level: string }[] };
    const after = readdirSync(host.path(folder), { recursive: true }).map(String).sort();
    const rendered = readFileSync(host.path(`${folder}/config.toml`), 'utf8');

    assert.deepEqual(after, ['config-v3.toml.d', 'config-v3.toml.d/kata-sysext.toml', 'config.toml']);
    assert.equal(rendered, baseText({ program: 'k3s', age: '2026' }));
    assert.ok(done.findings.some(({ code, level }) => code === 'engine-older-release' && level === 'info'));
  });

  it('k3s: what its own uninstall removed is accepted', async () => {
    host.remove();
    host = treeHost('fcos', (root) => enable(root, hosts['k3s']!), { engine: 'k3s' });
    await host.json(['install', first]);
    rmSync(host.path('var/lib/rancher'), { recursive: true });
    rmSync(host.path('etc/systemd/system/k3s.service'));
    rmSync(host.path('etc/systemd/system/multi-user.target.wants/k3s.service'));

    const gone = await host.json(['uninstall', '--purge']);

    assert.equal(gone['changed'], true);
  });

  for (const [name, row] of Object.entries(hosts).filter(([name]) => wired[name] === undefined)) {
    it(`${name}: check says it, install is refused, and nothing is written`, async () => {
      enable(host.root, row);

      const refused = await untouched(host, ['install', first], 3, 'engine-rendered');
      const checked = await host.json(['check'], 3);

      assert.equal(refused['subject'], name);
      assert.match(String(refused['found']), new RegExp(row.unit.replaceAll('.', '\\.')));
      const findings = checked['findings'] as { code: string; level: string; subject: string }[];
      assert.deepEqual(
        findings.filter(({ code }) => code === 'engine-rendered').map(({ level, subject }) => [level, subject]),
        [['blocker', name]],
      );
    });
  }

  for (const [name, path, text] of [
    ['Bottlerocket', 'etc/os-release', 'NAME=Bottlerocket\nID=bottlerocket\nVERSION_ID=1.42.0\n'],
    ['Talos Linux', 'etc/os-release', 'NAME="Talos"\nID=talos\nVERSION_ID=v1.10.5\n'],
    ['Container-Optimized OS', 'etc/os-release', 'NAME="Container-Optimized OS"\nID=cos\nVERSION_ID=121\n'],
    ['AKS', 'opt/azure/containers/provision.complete', ''],
  ] as const) {
    it(`${name}: check says it, install is refused, and nothing is written`, async () => {
      rmSync(host.path(path), { force: true });
      put(host.root, path, text);

      const refused = await untouched(host, ['install', first], 3, 'engine-rendered');
      const checked = await host.json(['check'], 3);

      assert.equal(refused['subject'], name);
      const findings = checked['findings'] as { code: string; subject: string }[];
      assert.deepEqual(
        findings.filter(({ code }) => code === 'engine-rendered').map(({ subject }) => subject),
        [name],
      );
    });
  }

  it('a worker of k0s is wired itself in a tree, with both schemas; its folder stays after an uninstall', async () => {
    enable(host.root, { unit: 'k0sworker.service', text: '[Service]\nExecStart=/usr/local/bin/k0s worker\n' });
    put(host.root, 'etc/k0s/containerd.d/10-mine.toml', '[debug]\nlevel = "info"\n');
    const before = host.fingerprint();

    const refused = await untouched(host, ['install', first], 3, 'engine-rendered');
    const done = await json(['install', first, '--root', host.root]);
    const wired = await json(['status', '--root', host.root]);
    await json(['verify', '--root', host.root]);
    const gone = await json(['uninstall', '--purge', '--root', host.root]);

    assert.equal(refused['subject'], 'k0s');
    assert.deepEqual([done['restarted'], gone['restarted']], [[], []]);
    assert.match(JSON.stringify(wired), /kata-sysext\.toml.*schema-2\.toml.*schema-3\.toml/);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('what was installed before k3s came is not activated again, and an uninstall takes it away', async () => {
    await host.json(['install', first]);
    await host.json(['install', first, '--stage', '--set', 'default_memory=3000']);
    enable(host.root, hosts['k3s']!);

    await untouched(host, ['activate'], 3, 'engine-rendered', ['var/lib/kata-sysext/lock']);
    const gone = await host.json(['uninstall']);

    assert.equal(gone['changed'], true);
  });

  it('a first boot is not rendered against a configuration that a renderer wrote', async () => {
    const folder = scratch('renderer');
    const file = join(folder, 'config.toml');
    writeFileSync(file, '# File generated by rke2. DO NOT EDIT. Use config-v3.toml.tmpl instead.\nversion = 3\n');
    const request = ['--target', 'fcos', '--form', 'rendered', '--engine', 'containerd@2.1', '--engine-config', file];

    const refused = await json(['generate', 'ignition', first, ...request, '--from', 'https://a.example', '-o', join(folder, 'out')], 3);

    rmSync(folder, { recursive: true });
    assert.equal(refused['code'], 'engine-rendered');
  });
});
