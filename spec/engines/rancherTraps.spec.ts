import assert from 'node:assert/strict';
import type { Engine } from '../../cli/engines/contract.ts';
import { k3s } from '../../cli/engines/k3s/index.ts';
import { rke2 } from '../../cli/engines/rke2/index.ts';
import { KataError } from '../../cli/errors/index.ts';
import { baseText, rendered } from '../support/rancher.ts';
import { handler, treesOfSpec } from '../support/trees/engineTree.ts';
import { newId, oldId } from './containerdPlans.ts';

const images = 'io.containerd.cri.v1.images';
const withBase = '{{ template "base" . }}\n';
const [v2, v3] = ['config.toml.tmpl', 'config-v3.toml.tmpl'];
const nvidia2 = `\n[plugins."${oldId}".containerd]\n  default_runtime_name = "nvidia"\n`;
const nvidia3 = `\n[plugins.'${newId}'.containerd]\n  default_runtime_name = "nvidia"\n`;
const cni3 = `\n[plugins.'${newId}'.cni]\n  bin_dirs = ["/opt/mine"]\n`;
const registry3 = `\n[plugins.'${images}'.registry]\n  config_path = "/etc/mine"\n`;
const runtime3 = `\n[plugins.'${newId}'.containerd.runtimes.runsc]\n  runtime_type = "io.containerd.runsc.v1"\n`;
const base = (age: '2024' | '2025' | '2026', program: 'k3s' | 'rke2' = 'k3s') => baseText({ program, age });

interface Row {
  what: string;
  engine?: Engine;
  version?: string;
  /** Of the unit, behind its program. */
  words?: string;
  files: Record<string, string>;
  /** The code of a refusal, or the findings of a plan with their level. */
  is: string;
}

/** What a plan says of the files in the configuration's folder. */
async function said(treeOf: ReturnType<typeof treesOfSpec>, { engine = k3s, version, words = 'server', files }: Row): Promise<string> {
  const { name } = engine;
  const unit = name === 'k3s' ? 'k3s.service' : 'rke2-server.service';
  const folder = `/var/lib/rancher/${name}/agent/etc/containerd`;
  const own = Object.entries(files).map(([path, text]) => [`${folder}/${path}`, text]);
  const tree = await treeOf({
    [`/etc/systemd/system/${unit}`]: `[Service]\nExecStart=/usr/local/bin/${name} ${words}\n`,
    ...Object.fromEntries(own),
  });
  const [instance] = await engine.detect(tree.host, version);
  try {
    const { findings } = await engine.plan(tree.host, instance!, [handler('kata-qemu')]);
    return findings
      .filter(({ code }) => code !== 'engine-older-release')
      .map(({ code, level }) => `${code} ${level}`)
      .join();
  } catch (error) {
    if (error instanceof KataError) return error.code;
    throw error;
  }
}

const unsupported = 'engine-unsupported';
const note = 'engine-template-pending info';
const warning = 'engine-template-pending warning';

const unrendered: Row[] = [
  { what: 'schema 2: the table of the default handler', version: '1.7.23', files: { [v2]: withBase + nvidia2 }, is: unsupported },
  { what: 'schema 2 on containerd 2: the same', version: '2.1.5', files: { [v2]: withBase + nvidia2 }, is: unsupported },
  { what: 'schema 3: the same, which its base has not', version: '2.1.5', files: { [v3]: withBase + nvidia3 }, is: note },
  {
    what: 'schema 3: the same, and the command names one',
    version: '2.1.5',
    words: 'server --default-runtime runc',
    files: { [v3]: withBase + nvidia3 },
    is: unsupported,
  },
  {
    what: 'a runtime that k3s adds where it finds it',
    version: '2.1.5',
    files: { [v3]: withBase + runtime3.replace('runsc', 'nvidia') },
    is: warning,
  },
  {
    what: 'a shim of WebAssembly, which k3s adds too where it finds it',
    version: '2.1.5',
    files: { [v3]: withBase + runtime3.replace('runsc', 'spin') },
    is: warning,
  },
  {
    what: 'schema 2: the same',
    version: '1.7.23',
    files: { [v2]: withBase + runtime3.replace(newId, oldId).replace('runsc', 'wasmtime') },
    is: warning,
  },
  { what: 'the base with $ in place of the dot', version: '2.1.5', files: { [v3]: `{{ template "base" $ }}\n${runtime3}` }, is: note },
  {
    what: 'the same base with another value',
    version: '2.1.5',
    files: { [v3]: `{{ template "base" .NodeConfig }}\n${runtime3}` },
    is: unsupported,
  },
  { what: 'schema 3: the registries', version: '2.1.5', files: { [v3]: withBase + registry3 }, is: unsupported },
  {
    what: 'schema 3: the pause image',
    version: '2.1.5',
    files: { [v3]: `${withBase}[plugins.'${images}'.pinned_images]\nsandbox = "x"\n` },
    is: unsupported,
  },
  { what: 'the network of k3s', version: '2.1.5', files: { [v3]: withBase + cni3 }, is: unsupported },
  { what: 'the network of RKE2, whose base has none', engine: rke2, version: '2.1.5', files: { [v3]: withBase + cni3 }, is: note },
  {
    what: 'the network of k3s without flannel',
    version: '2.1.5',
    words: 'server --flannel-backend=none',
    files: { [v3]: withBase + cni3 },
    is: note,
  },
  {
    what: 'the network of an agent of k3s: its server decides',
    version: '2.1.5',
    words: 'agent',
    files: { [v3]: withBase + cni3 },
    is: warning,
  },
  {
    what: 'schema 2 on containerd 1.7: the registries, which older releases had not',
    version: '1.7.23',
    files: { [v2]: `${withBase}[plugins."${oldId}".registry]\nconfig_path = "/x"\n` },
    is: warning,
  },
  {
    what: 'a table inside a branch',
    version: '2.1.5',
    files: { [v3]: `${withBase}{{ if .NodeConfig.NoFlannel }}${cni3}{{ end }}\n` },
    is: warning,
  },
  { what: 'a runtime', version: '2.1.5', files: { [v3]: withBase + runtime3 }, is: note },
  {
    what: 'schema 2 without base and version',
    version: '1.7.23',
    files: { [v2]: `[plugins."${oldId}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n` },
    is: unsupported,
  },
  { what: 'schema 2 without base', version: '1.7.23', files: { [v2]: base('2024') }, is: note },
  { what: 'schema 3 in the name of schema 2', version: '2.1.5', files: { [v2]: base('2025') }, is: unsupported },
];

const was = (template: string, age: '2024' | '2025' | '2026' = '2025', program: 'k3s' | 'rke2' = 'k3s') =>
  rendered(template, base(age, program));
const since: Row[] = [
  { what: 'nothing', version: '2.1.5', files: { [v3]: withBase + runtime3, 'config.toml': was(withBase + runtime3) }, is: '' },
  {
    what: 'nothing, of a template with actions',
    version: '2.1.5',
    files: {
      [v3]: `${withBase}${runtime3}  snapshotter = "{{ "overlayfs" }}"\n`,
      'config.toml': was(`${withBase}${runtime3}  snapshotter = "overlayfs"\n`),
    },
    is: '',
  },
  { what: 'a runtime came', version: '2.1.5', files: { [v3]: withBase + runtime3, 'config.toml': base('2025') }, is: note },
  {
    what: 'a value changed',
    version: '2.1.5',
    files: { [v3]: `${withBase}${runtime3}x = 2\n`, 'config.toml': was(withBase + runtime3) },
    is: note,
  },
  {
    what: 'its runtime of NVIDIA changed',
    version: '2.1.5',
    files: {
      [v3]: `${withBase}${runtime3.replace('runsc', 'nvidia')}x = 2\n`,
      'config.toml': was(withBase + runtime3.replace('runsc', 'nvidia')),
    },
    is: warning,
  },
  { what: 'registries came', version: '2.1.5', files: { [v3]: withBase + registry3, 'config.toml': base('2025') }, is: unsupported },
  { what: 'the network came', version: '2.2.3', files: { [v3]: withBase + cni3, 'config.toml': base('2026') }, is: unsupported },
  {
    what: 'the network, and this base has none',
    engine: rke2,
    version: '2.1.5',
    files: { [v3]: withBase + cni3, 'config.toml': was(withBase + cni3, '2025', 'rke2') },
    is: '',
  },
  {
    what: 'the same of k3s, as its rendered file shows',
    version: '2.1.5',
    files: { [v3]: withBase + cni3, 'config.toml': was(withBase + cni3, '2025', 'rke2').replaceAll('rke2', 'k3s') },
    is: '',
  },
  {
    what: 'a table came that is in the base word for word',
    version: '2.1.5',
    files: {
      [v3]: `${withBase}${runtime3}[plugins.'${images}'.pinned_images]\nsandbox = "rancher/mirrored-pause:3.6"\n`,
      'config.toml': base('2025'),
    },
    is: unsupported,
  },
  {
    what: 'the default handler came',
    version: '1.7.23',
    files: { [v2]: withBase + nvidia2, 'config.toml': base('2024') },
    is: unsupported,
  },
  {
    what: 'a release with schema 3 took the place of one with schema 2',
    version: '2.1.5',
    files: { [v3]: withBase + runtime3, 'config.toml': base('2024') },
    is: note,
  },
];

const own = base('2025').replace(/bin_dirs = \["(.*)"\]/, 'bin_dir = "$1"');
const cdi = `[plugins.'${newId}']\nenable_cdi = false\n`;
const removed: Row[] = [
  { what: 'a template in place of the base', version: '2.4.2', files: { [v3]: own, 'config.toml': own }, is: 'engine-key-removed warning' },
  { what: 'the same with 2.3', version: '2.3.7', files: { [v3]: own, 'config.toml': own }, is: '' },
  {
    what: 'a drop-in',
    version: '2.4.2',
    files: { 'config-v3.toml.d/10.toml': cdi, 'config.toml': base('2026') },
    is: 'engine-key-removed warning',
  },
  { what: 'only what an older release rendered', version: '2.4.2', files: { 'config.toml': own }, is: '' },
];

describe('engines/rancher: what only the next start would show', () => {
  const treeOf = treesOfSpec();

  for (const row of unrendered)
    it(`before a first start, ${row.what}: ${row.is}`, async () => {
      assert.equal(await said(treeOf, row), row.is);
    });

  for (const row of since)
    it(`in the template since the last start, ${row.what}: ${row.is || 'nothing is said'}`, async () => {
      assert.equal(await said(treeOf, row), row.is);
    });

  for (const row of removed)
    it(`a key that containerd 2.4 removed, ${row.what}: ${row.is || 'nothing is said'}`, async () => {
      assert.equal(await said(treeOf, row), row.is);
    });

  it('a drop-in with a place of a template is refused: no program fills it in', async () => {
    const files = (value: string) => ({
      'config.toml': base('2026'),
      'config-v3.toml.d/10.toml': `[plugins.'${images}']\nsnapshotter = "${value}"\n`,
    });

    const found = [
      await said(treeOf, { what: '', files: files('{{ snap }}'), is: '' }),
      await said(treeOf, { what: '', files: files('x'), is: '' }),
    ];

    assert.deepEqual(found, ['engine-config-invalid', '']);
  });
});
