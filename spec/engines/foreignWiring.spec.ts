import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { blockOf, parseDocument } from '../../cli/documents/toml/index.ts';
import { containerd } from '../../cli/engines/containerd/index.ts';
import type { Engine } from '../../cli/engines/contract.ts';
import { crio } from '../../cli/engines/crio/index.ts';
import { k3s } from '../../cli/engines/k3s/index.ts';
import { nodeadm } from '../../cli/engines/nodeadm/index.ts';
import type { ForeignWiring, Instance } from '../../cli/engines/types.ts';
import { baseText } from '../support/rancher.ts';
import { engineTree, instanceOf } from '../support/trees/engineTree.ts';

const shim = '/usr/bin/containerd-shim-kata-v2';
const folder = '/etc/crio/crio.conf.d';
const crioInstance: Instance = { engine: 'crio', configPath: '/etc/crio/crio.conf', configFolder: folder, socket: '/run/crio.sock' };
const table = (name: string, path = shim) => `[crio.runtime.runtimes.${name}]\nruntime_path = "${path}"\nruntime_type = "vm"\n`;
const config = '/etc/containerd/config.toml';
const plugin = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes';

const k3sFolder = '/var/lib/rancher/k3s/agent/etc/containerd';
const template = `${k3sFolder}/config-v3.toml.tmpl`;
const k3sInstance: Instance = { engine: 'k3s', version: '2.1.5', configPath: `${k3sFolder}/config.toml` };
const base = '{{ template "base" . }}\n';
const kata = `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n`;
/** A node of k3s that was started with this template. */
const k3sFiles = (text: string) => ({
  [template]: text,
  [k3sInstance.configPath]: `${baseText({ program: 'k3s', age: '2025' })}\n${kata}`,
});

interface Row {
  title: string;
  engine: Engine;
  instance: Instance;
  files: Record<string, string>;
  links?: Record<string, string>;
  expected: ForeignWiring | 'engine-unsupported';
}

const both = `${table('b')}${table('a')}`;
const rows: Row[] = [
  {
    title: 'CRI-O: a file of their own goes whole, whatever its name; other shims are left alone',
    engine: crio,
    instance: crioInstance,
    files: { [`${folder}/50-kata`]: both, [`${folder}/60`]: table('other', '/opt/kata/bin/containerd-shim-kata-v2') },
    expected: { marks: [{ path: `${folder}/50-kata`, kind: 'file', text: both }], handlers: ['a', 'b'] },
  },
  {
    title: 'CRI-O: of a file with other settings only the block, with the comment between its tables',
    engine: crio,
    instance: crioInstance,
    files: {
      '/etc/crio/crio.conf': `[crio.image]\npause_image = "p"\n# k\n${table('a')}# between\n${table('b')}\n[crio.runtime]\nlog_level = "info"\n`,
    },
    expected: {
      marks: [{ path: '/etc/crio/crio.conf', kind: 'range', text: `${table('a')}# between\n${table('b')}` }],
      handlers: ['a', 'b'],
    },
  },
  {
    title: 'CRI-O: tables with another one between them cannot be told apart',
    engine: crio,
    instance: crioInstance,
    files: { [`${folder}/x`]: `${table('a')}${table('runc', '/usr/bin/runc')}${table('b')}` },
    expected: 'engine-unsupported',
  },
  {
    title: 'CRI-O: nor one that is not written by its header',
    engine: crio,
    instance: crioInstance,
    files: { [`${folder}/x`]: `[crio.runtime]\nlog_level = "info"\nruntimes.a = {runtime_path = "${shim}"}\n` },
    expected: 'engine-unsupported',
  },
  {
    title: 'CRI-O: nothing leads there',
    engine: crio,
    instance: crioInstance,
    files: { [`${folder}/x`]: table('runc', '/usr/bin/runc') },
    expected: { marks: [], handlers: [] },
  },
  {
    title: 'containerd: the shim by its type, with the tables below; a path wins over the type',
    engine: containerd,
    instance: instanceOf('1.7.24'),
    files: {
      [config]: `version = 2\n[${plugin}.kata]\nruntime_type = "io.containerd.kata.v2"\n[${plugin}.kata.options]\nConfigPath = "/etc/x"\n[${plugin}.mine]\nruntime_type = "io.containerd.kata.v2"\nruntime_path = "/opt/mine"\n[${plugin}.runc]\nruntime_type = "io.containerd.runc.v2"\n`,
    },
    expected: {
      marks: [
        {
          path: config,
          kind: 'range',
          text: `[${plugin}.kata]\nruntime_type = "io.containerd.kata.v2"\n[${plugin}.kata.options]\nConfigPath = "/etc/x"\n`,
        },
      ],
      handlers: ['kata'],
    },
  },
  {
    title: 'CRI-O: of a file that a link names only the block, because a link that leads nowhere would keep CRI-O from starting',
    engine: crio,
    instance: crioInstance,
    files: { '/etc/site/50-kata': table('a'), [`${folder}/60`]: '' },
    links: { [`${folder}/50-kata`]: '/etc/site/50-kata' },
    expected: { marks: [{ path: '/etc/site/50-kata', kind: 'range', text: table('a') }], handlers: ['a'] },
  },
  {
    title: 'containerd: the same of a file that is imported',
    engine: containerd,
    instance: instanceOf('1.7.24'),
    files: {
      [config]: 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n',
      '/etc/site/kata.toml': `[${plugin}.kata]\nruntime_type = "io.containerd.kata.v2"\n`,
      '/etc/containerd/conf.d/other.toml': 'version = 2\n',
    },
    links: { '/etc/containerd/conf.d/kata.toml': '/etc/site/kata.toml' },
    expected: {
      marks: [{ path: '/etc/site/kata.toml', kind: 'range', text: `[${plugin}.kata]\nruntime_type = "io.containerd.kata.v2"\n` }],
      handlers: ['kata'],
    },
  },
  {
    title: 'nodeadm: such a file is refused',
    engine: nodeadm,
    instance: { engine: 'nodeadm', configPath: config, configFolder: '/etc/eks/nodeadm.d' },
    files: {
      '/etc/eks/nodeadm.d/README': '',
      '/etc/site/kata.yaml': `apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  containerd:\n    config: |\n      [${plugin}.kata]\n      runtime_type = "io.containerd.kata.v2"\n`,
    },
    links: { '/etc/eks/nodeadm.d/kata.yaml': '/etc/site/kata.yaml' },
    expected: 'engine-unsupported',
  },
  {
    title: 'k3s: a template with its base and nothing else goes whole',
    engine: k3s,
    instance: k3sInstance,
    files: k3sFiles(`${base}${kata}`),
    expected: { marks: [{ path: template, kind: 'file', text: `${base}${kata}` }], handlers: ['kata'] },
  },
  {
    title: 'k3s: of one with another action, which its TOML does not show, only the block',
    engine: k3s,
    instance: k3sInstance,
    files: k3sFiles(`${base}{{ printf "[debug]\\n  level = %q\\n" "info" }}\n${kata}`),
    expected: { marks: [{ path: template, kind: 'range', text: kata }], handlers: ['kata'] },
  },
  {
    title: 'k3s: of a block inside a branch, the same',
    engine: k3s,
    instance: k3sInstance,
    files: k3sFiles(`${base}{{ if .NodeConfig.SELinux }}\n${kata}{{ end }}\n`),
    expected: { marks: [{ path: template, kind: 'range', text: kata }], handlers: ['kata'] },
  },
  {
    title: 'k3s: a block with an action in it cannot be told apart',
    engine: k3s,
    instance: k3sInstance,
    files: k3sFiles(`${base}${kata}  privileged_without_host_devices = {{ true }}\n`),
    expected: 'engine-unsupported',
  },
];

describe('wiring of others that leads to a shim', () => {
  for (const { title, engine, instance, files, links = {}, expected } of rows) {
    it(title, async () => {
      const tree = await engineTree(files);
      for (const [path, target] of Object.entries(links)) symlinkSync(target, join(tree.root, path));

      const found = await engine.findForeignWiring(tree.host, instance, shim).catch((error: { code: string }) => error.code);

      assert.deepEqual(found, expected);
      await tree.remove();
    });
  }

  it('a block ends with the file, also without a newline and after a byte order mark', () => {
    const text = `\ufeff${table('a').trimEnd()}`;

    const block = blockOf(parseDocument(text, 'x'), [['crio', 'runtime', 'runtimes', 'a']]);

    assert.equal(block, text.slice(1));
  });
});
