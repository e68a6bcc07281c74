import assert from 'node:assert/strict';
import { containerd } from '../../cli/engines/containerd/index.ts';
import type { Engine } from '../../cli/engines/contract.ts';
import { crio } from '../../cli/engines/crio/index.ts';
import { docker } from '../../cli/engines/docker/index.ts';
import { k0s } from '../../cli/engines/k0s/index.ts';
import { nodeadm } from '../../cli/engines/nodeadm/index.ts';
import type { Instance, Wiring } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { type EngineTree, handler, instanceOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { instance as crioInstance } from './crioPlans.ts';

const wanted = [handler('kata-qemu')];
const header = 'apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n';

interface Row {
  engine: Engine;
  instance: Instance;
  path: string;
  more?: Record<string, string>;
  /** Each with the place of what no program has filled in. */
  templates: [text: string, place: string][];
  /** Texts that an engine or a program of the host fills in itself, or that mean nothing. */
  others: string[];
}

const rows: Row[] = [
  {
    engine: containerd,
    instance: instanceOf('2.1.9'),
    path: '/etc/containerd/config.toml',
    templates: [
      ['version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "{{ pause_image }}"\n', 'line 3, column 19'],
      ["version = 3\nroot = '''\n{{#if root}}/x{{/if}}'''\n", 'line 2, column 8'],
      ['version = 2\n["{{ table }}"]\n', 'line 2, column 2'],
      ['version = 2\nstate = "{% if x %}a{% endif %}"\n', 'line 2, column 9'],
      ['version = 2\n{{- if .GPU }}\n', 'line 2, column 1'],
      ['version = 2\nroot = "<%= @root %>"\n', 'line 2, column 8'],
      // As microk8s' template has it, with a folder behind it, and as a key.
      [`version = 2\nroot = "x"\nstate = "\${SNAP_DATA}/state"\n`, 'line 3, column 9'],
      [`version = 2\n[plugins."\${RUNTIME_ID}"]\n`, 'line 2, column 10'],
      ['version = 2\nroot = "@@ROOT@@"\n', 'line 2, column 8'],
    ],
    others: [
      `version = 2 # {{ ansible_managed }} \${X}\n`,
      `version = 2\nx = ["$HOME", "$", "\${", "$(id)", "^a{2}$", "a@@b", "100%>x<%", "\${a-b}"]\n`,
      '# {{ x }}\nversion = 2\nx = "{ {a} }"\ny = [[{}], [{ z = {} }]]\n',
      // A password, and the environment of a program.
      `version = 2\npassword = "p\${X}q@@Y@@"\nenv = ["KEYS=\${HOME}/keys"]\n`,
    ],
  },
  {
    engine: crio,
    instance: crioInstance(),
    path: '/etc/crio/crio.conf.d/10-crio.conf',
    templates: [
      ['[crio.image]\npause_image = "{{.PauseImage}}"\n', 'line 2, column 15'],
      [`[crio.image]\npause_image = "\${PAUSE}"\n`, 'line 2, column 15'],
    ],
    others: ['# {{ ansible_managed }}\n[crio.image]\n'],
  },
  {
    engine: docker,
    instance: { engine: 'docker', version: '26.1.5', configPath: '/etc/docker/daemon.json', effect: { by: 'reload' } },
    path: '/etc/docker/daemon.json',
    templates: [
      ['{\n  "insecure-registries": ["{{ registry }}"]\n}\n', 'line 2, column 26'],
      ['{ "{{ key }}": 1 }', 'line 1, column 3'],
      ['{ "debug": {{ debug }} }', 'line 1, column 13'],
      [`{ "data-root": "\${DATA}/docker" }`, 'line 1, column 16'],
    ],
    others: [
      '{ "log-opts": { "tag": "{{.Name}}/{{.ID}}" } }\n',
      `{ "labels": ["host=\${HOSTNAME}"], "proxies": { "http-proxy": "http://u:p\${x}@proxy" } }\n`,
    ],
  },
  {
    engine: k0s,
    instance: { engine: 'k0s', version: '1.36.3', configPath: '/etc/k0s/containerd.toml' },
    path: '/etc/k0s/containerd.d/10-mine.toml',
    templates: [
      ['version = 3\nroot = "{{ x }}"\n', 'line 2, column 8'],
      ['version = 3\n[plugins."{% if x %}"]\n', 'line 2, column 10'],
      ['version = 3\nroot = "<%= @root %>"\n', 'line 2, column 8'],
    ],
    others: ['# {{ ansible_managed }}\nversion = 3\n'],
  },
  {
    engine: nodeadm,
    instance: { ...instanceOf('2.1.9'), configFolder: '/etc/eks/nodeadm.d' },
    path: '/etc/eks/nodeadm.d/10-a.yaml',
    more: {
      '/etc/systemd/system/nodeadm-run.service': '[Service]\nExecStart=/usr/bin/nodeadm init --config-source file:///etc/eks/nodeadm.d/\n',
      '/etc/systemd/system/multi-user.target.wants/nodeadm-run.service': '',
    },
    templates: [
      [`${header}  cluster:\n    name: "{{ cluster }}"\n`, 'line 5, column 12'],
      [`${header}  cluster:\n    name: <%= cluster %>\n`, 'line 5, column 11'],
    ],
    others: [`# {{ ansible_managed }}\n${header}  cluster: { name: x }\n`],
  },
];

describe('engines: files that are templates', () => {
  const treeOf = treesOfSpec();

  for (const { engine, instance, path, more, templates, others } of rows) {
    const plan = (tree: EngineTree, recorded?: Wiring) => engine.plan(tree.host, instance, wanted, recorded);

    it(`${engine.title}: what no program has filled in is refused with its place, also in texts`, async () => {
      for (const [text, place] of templates) {
        const tree = await treeOf({ ...more, [path]: text });
        const before = tree.everything();

        const error = await plan(tree).catch((thrown: unknown) => thrown);

        assert.ok(error instanceof KataError && error.code === 'engine-config-invalid', `${text}: ${String(error)}`);
        assert.ok(error.complaint.found.includes(place), error.complaint.found);
        assert.deepEqual(tree.everything(), before);
      }
    });

    it(`${engine.title}: comments, and what the engine fills in itself, are no templates`, async () => {
      for (const text of others) {
        const tree = await treeOf({ ...more, [path]: text });

        const { wiring } = await plan(tree);

        assert.deepEqual(wiring?.handlers, wanted);
      }
    });

    it(`${engine.title}: a node that is wired keeps its handlers, whatever others write into texts later`, async () => {
      const tree = await treeOf({ ...more, [path]: others[0]! });
      const first = await plan(tree);
      await tree.apply(first);
      const now = await tree.read(path);
      const [from, to] = path.endsWith('json')
        ? ['{', '{ "bip": "{{ bip }}",']
        : ['\n', `\n${path.endsWith('yaml') ? 'x: ' : 'x = '}"{{ x }}"\n`];
      await tree.write(path, path.endsWith('json') ? now.replace(from, to) : now.replace(/$/, to));

      const again = await plan(tree, first.wiring);

      assert.deepEqual([again.changes, again.wiring?.handlers], [[], wanted]);
    });
  }
});
