import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type Amount, amountOf, type Kubelet, kubeletOf, kubeletSocket, type Signal } from '../../cli/facts/index.ts';
import { parseYaml } from '../../cli/facts/yaml.ts';
import type { HostView } from '../../cli/host/types.ts';
import type { Systemd, UnitState } from '../../cli/systemd/types.ts';
import { type EngineTree, engineTree } from '../support/trees/engineTree.ts';

const usual = '/var/lib/kubelet/config.yaml';
const defaults = 'kubelet’s default';
const head = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n';

function said(kubelet: Kubelet | undefined, signal: Signal): [Amount, string][] {
  return kubelet!.thresholds[signal].map(({ amount, source }) => [amount, source]);
}

describe('facts/kubelet: when the host’s kubelet evicts', () => {
  let tree: EngineTree;
  beforeEach(async () => {
    tree = await engineTree({ '/etc/hostname': 'x' });
  });
  afterEach(async () => tree.remove());

  const sockets: [what: string, files: Record<string, string>, wanted: string | undefined][] = [
    ['nothing where there is no kubelet', {}, undefined],
    ['what its configuration says', { [usual]: `${head}containerRuntimeEndpoint: unix:///run/a.sock\n` }, '/run/a.sock'],
    [
      'what its command says, whatever its configuration does',
      {
        [usual]: `${head}containerRuntimeEndpoint: unix:///run/a.sock\n`,
        '/usr/lib/systemd/system/kubelet.service':
          '[Service]\nExecStart=/usr/bin/kubelet --container-runtime-endpoint=unix:///run/b.sock\n',
      },
      '/run/b.sock',
    ],
    ['nothing where that is no socket of this host', { [usual]: `${head}containerRuntimeEndpoint: tcp://1.2.3.4:5\n` }, undefined],
    ['nothing where it cannot be read', { [usual]: `${head}containerRuntimeEndpoint: [\n` }, undefined],
  ];
  for (const [what, files, wanted] of sockets)
    it(`the engine that it uses is ${what}`, async () => {
      for (const [path, text] of Object.entries(files)) await tree.write(path, text);

      assert.equal(await kubeletSocket(tree.host), wanted);
    });

  it('is nothing where there is no kubelet', async () => {
    assert.equal(await kubeletOf(tree.host), undefined);
  });

  it('is kubelet’s default where nothing is configured', async () => {
    await tree.write('/usr/bin/kubelet', '');

    const kubelet = await kubeletOf(tree.host);

    assert.deepEqual(said(kubelet, 'nodefs.available'), [[{ percent: 10 }, defaults]]);
    assert.deepEqual(said(kubelet, 'imagefs.available'), [[{ percent: 15 }, defaults]]);
    assert.deepEqual(said(kubelet, 'nodefs.inodesFree'), [[{ percent: 5 }, defaults]]);
    assert.deepEqual(kubelet?.imageGc, [{ percent: 85, source: defaults }]);
  });

  it('is what kubeadm’s file says, in percent and in bytes; what it does not name has its default', async () => {
    await tree.write(
      usual,
      `${head}evictionHard:\n  nodefs.available: "1Gi"\n  nodefs.inodesFree: 3%\nevictionSoft:\n  nodefs.available: 12%\nimageGCHighThresholdPercent: 70\n`,
    );

    const kubelet = await kubeletOf(tree.host);

    assert.deepEqual(said(kubelet, 'nodefs.available'), [
      [{ bytes: 2 ** 30 }, usual],
      [{ percent: 12 }, usual],
    ]);
    assert.deepEqual(said(kubelet, 'nodefs.inodesFree'), [[{ percent: 3 }, usual]]);
    assert.deepEqual(said(kubelet, 'imagefs.available'), [[{ percent: 15 }, defaults]]);
    assert.deepEqual(kubelet?.imageGc, [{ percent: 70, source: usual }]);
  });

  it('follows the command of the unit: --config through an Environment, drop-ins in order, and flags over both', async () => {
    await tree.write(
      '/usr/lib/systemd/system/kubelet.service',
      '[Service]\nEnvironmentFile=-/etc/eks/kubelet/environment\nExecStart=/usr/bin/kubelet $ARGS $MORE\n',
    );
    await tree.write(
      '/etc/systemd/system/kubelet.service.d/10.conf',
      '[Service]\nEnvironment="ARGS=--config=/etc/k/config.json --config-dir=/etc/k/d --root-dir /data/kubelet"\n# --eviction-hard=nodefs.available<99%\n',
    );
    await tree.write('/etc/k/config.json', JSON.stringify({ kind: 'KubeletConfiguration', evictionHard: { 'nodefs.available': '20%' } }));
    await tree.write('/etc/k/d/10.conf', `${head}evictionHard: {nodefs.available: 25%, imagefs.available: 500M}\n`);
    await tree.write('/etc/k/d/20.conf', `${head}evictionHard: {nodefs.available: 30%}\n`);
    await tree.write('/etc/k/d/30.yaml', `${head}evictionHard: {nodefs.available: 90%}\n`);

    const files = await kubeletOf(tree.host);
    await tree.write(
      '/etc/eks/kubelet/environment',
      'MORE=--eviction-hard=nodefs.available<2Gi,memory.available<100Mi --image-gc-high-threshold=60\n',
    );
    const flags = await kubeletOf(tree.host);

    assert.equal(files?.folder, '/data/kubelet');
    assert.deepEqual(said(files, 'nodefs.available'), [[{ percent: 30 }, '/etc/k/d/20.conf']]);
    assert.deepEqual(said(files, 'imagefs.available'), [[{ bytes: 5e8 }, '/etc/k/d/10.conf']]);
    assert.deepEqual(said(flags, 'nodefs.available'), [[{ bytes: 2 ** 31 }, 'kubelet’s command line']]);
    assert.deepEqual(flags?.imageGc, [{ percent: 60, source: 'kubelet’s command line' }]);
  });

  it('asks the process that runs before the files of its unit', async () => {
    await tree.write('/usr/lib/systemd/system/kubelet.service', '[Service]\nExecStart=/usr/bin/kubelet --config=/etc/other.yaml\n');
    await tree.write('/etc/other.yaml', `${head}evictionHard: {nodefs.available: 40%}\n`);
    await tree.write('/etc/kubernetes/kubelet.conf', `${head}evictionHard: {nodefs.available: 11%}\n`);
    await tree.write('/proc/71/cmdline', 'kubelet\0--config\0/etc/kubernetes/kubelet.conf\0');
    const systemd = { unit: async (unit: string) => ({ unit, mainPid: 71 }) as UnitState } as unknown as Systemd;
    const host: HostView = { ...tree.host, live: true, booted: true, systemd: async () => systemd };

    const kubelet = await kubeletOf(host);

    assert.deepEqual(said(kubelet, 'nodefs.available'), [[{ percent: 11 }, '/etc/kubernetes/kubelet.conf']]);
  });

  it('takes no kubeconfig of kubeadm for a configuration', async () => {
    await tree.write('/usr/bin/kubelet', '');
    await tree.write('/etc/kubernetes/kubelet.conf', 'kind: Config\nevictionHard: {nodefs.available: 90%}\n');

    assert.deepEqual(said(await kubeletOf(tree.host), 'nodefs.available'), [[{ percent: 10 }, defaults]]);
  });

  const hostile: [what: string, text: string][] = [
    ['aliases', 'a: &a [x]\nb: *a\nevictionHard: {nodefs.available: 1%}\n'],
    ['the key __proto__', '__proto__: {nodefs.available: 1%}\nevictionHard: {nodefs.available: 1%}\n'],
    ['the key constructor', 'evictionHard: {nodefs.available: 1%, constructor: {}}\n'],
    ['the key prototype', 'a: [{prototype: 1}]\nevictionHard: {nodefs.available: 1%}\n'],
    ['a list for a table', 'evictionHard: [nodefs.available]\n'],
    ['an amount that is none', 'evictionHard: {nodefs.available: "1%", imagefs.available: "many"}\n'],
    ['a share above 100', 'imageGCHighThresholdPercent: 400\nevictionHard: {nodefs.available: 1%}\n'],
    ['a million commas', `[${','.repeat(1_000_000)}]`],
    ['a million brackets', '['.repeat(1_000_000)],
    ['nesting', `${'['.repeat(9000)}${']'.repeat(9000)}`],
    ['more than 1 MiB', `evictionHard: {nodefs.available: 1%}\n#${' '.repeat(1 << 20)}`],
    ['bytes that are no text', '\u0000\uffff\u0001'],
  ];
  for (const [what, text] of hostile) {
    it(`does not believe a file with ${what}: the default counts, at once`, async () => {
      await tree.write(usual, text);

      const kubelet = await kubeletOf(tree.host);

      assert.ok(
        said(kubelet, 'nodefs.available').some(([amount]) => 'percent' in amount && amount.percent === 10),
        JSON.stringify(kubelet),
      );
      assert.equal(({} as Record<string, unknown>)['nodefs.available'], undefined);
    });
  }

  it('counts the default beside what was read where one file of several cannot be read', async () => {
    await tree.write(
      '/usr/lib/systemd/system/kubelet.service',
      `[Service]\nExecStart=/usr/bin/kubelet --config=${usual} --config-dir=/etc/k/d\n`,
    );
    await tree.write(usual, `${head}evictionHard: {nodefs.available: 2%}\n`);
    await tree.write('/etc/k/d/10.conf', 'a: *b\n');

    const kubelet = await kubeletOf(tree.host);

    assert.deepEqual(said(kubelet, 'nodefs.available'), [
      [{ percent: 2 }, usual],
      [{ percent: 10 }, defaults],
    ]);
  });

  it('waits for no pipe, opens no device and follows no link out of the tree', async () => {
    mkdirSync(join(tree.root, 'var/lib/kubelet'), { recursive: true });
    execFileSync('mkfifo', [join(tree.root, usual)]);
    symlinkSync('/../../../../../../../dev/zero', join(tree.root, 'etc/zero'));
    await tree.write('/usr/lib/systemd/system/kubelet.service', '[Service]\nExecStart=/usr/bin/kubelet --config=/etc/zero\n');

    const linked = await kubeletOf(tree.host);
    await tree.write('/usr/lib/systemd/system/kubelet.service', '[Service]\nExecStart=/usr/bin/kubelet\n');
    const piped = await kubeletOf(tree.host);

    assert.deepEqual(said(linked, 'nodefs.available'), [[{ percent: 10 }, defaults]]);
    assert.deepEqual(said(piped, 'nodefs.available'), [[{ percent: 10 }, defaults]]);
  });

  it('reads amounts as Kubernetes writes them', () => {
    const table: [string, Amount | undefined][] = [
      ['10%', { percent: 10 }],
      ['0%', { percent: 0 }],
      // switches the threshold off, as 0 does
      ['100%', { percent: 0 }],
      ['2.5%', { percent: 2.5 }],
      ['101%', undefined],
      ['-1%', undefined],
      ['1Gi', { bytes: 2 ** 30 }],
      ['500M', { bytes: 5e8 }],
      ['1.5k', { bytes: 1500 }],
      ['1e9', { bytes: 1e9 }],
      ['1024', { bytes: 1024 }],
      ['1Ki ', undefined],
      ['', undefined],
    ];

    const read = table.map(([text]) => amountOf(text));

    assert.deepEqual(
      read,
      table.map(([, amount]) => amount),
    );
  });

  it('keeps tables apart from objects', () => {
    const value = parseYaml('toString: 1\nhasOwnProperty: {a: 2}\n');

    assert.ok(value instanceof Map && value.get('toString') === 1);
    assert.throws(() => parseYaml('a: {__proto__: 1}'), /__proto__/);
    assert.throws(() => parseYaml('"__proto__": 1'), /__proto__/);
  });
});
