import assert from 'node:assert/strict';
import { containerd } from '../../cli/engines/containerd/index.ts';
import type { Engine } from '../../cli/engines/contract.ts';
import { crio } from '../../cli/engines/crio/index.ts';
import { docker } from '../../cli/engines/docker/index.ts';
import { engineNamed, enginePlugins, engines, withEngines } from '../../cli/engines/index.ts';
import { k0s } from '../../cli/engines/k0s/index.ts';
import { k3s } from '../../cli/engines/k3s/index.ts';
import { nodeadm } from '../../cli/engines/nodeadm/index.ts';
import { rke2 } from '../../cli/engines/rke2/index.ts';
import type { ForeignWiring, Instance, Wiring } from '../../cli/engines/types.ts';
import { digestOf } from '../../cli/host/index.ts';
import { type EngineTree, handler, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { toy } from './toy/index.ts';

const foreignShim = '/usr/bin/containerd-shim-kata-v2';
const newPlugin = "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes";
const plugin = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes';

interface Row {
  engine: Engine;
  version: string;
  /** Its host: files that others own, and that name no handler of kata-sysext. */
  files: Record<string, string>;
  /** A file of another installer that leads a handler to its shim. */
  foreign: { path: string; text: string };
  /** A file that the engine could not read. */
  unreadable: { path: string; text: string };
  /** A file in which another program has the name kata-qemu. */
  taken: { path: string; text: string };
}

function unitOf(program: string, unit = program): Record<string, string> {
  const path = `/usr/bin/${program}`;
  return { [path]: '', [`/usr/lib/systemd/system/${unit}.service`]: `[Service]\nExecStart=${path}\n` };
}

/** A program that renders the configuration of a containerd of its own, after a start without a template. */
function rancherRow(engine: Engine, unit: string): Row {
  const folder = `/var/lib/rancher/${engine.name}/agent/etc/containerd`;
  const [rendered, template] = [`${folder}/config.toml`, `${folder}/config-v3.toml.tmpl`];
  const start = `/usr/local/bin/${engine.name}`;
  const text = `version = 3\nimports = ["${folder}/config-v3.toml.d/*.toml"]\n\n[${newPlugin}.runc]\n  runtime_type = "io.containerd.runc.v2"\n`;
  const base = '{{ template "base" . }}\n';
  return {
    engine,
    version: '2.1.5',
    files: { [start]: '', [`/etc/systemd/system/${unit}`]: `[Service]\nExecStart=${start} server\n`, [rendered]: text },
    foreign: { path: template, text: `${base}\n[${newPlugin}.other]\nruntime_type = "io.containerd.kata.v2"\n[debug]\nlevel = "info"\n` },
    unreadable: { path: rendered, text: 'version = \n' },
    taken: { path: template, text: `${base}[${newPlugin}.kata-qemu]\nruntime_type = "io.containerd.runc.v2"\n` },
  };
}

const main = '/etc/containerd/config.toml';
const dropIn = '/etc/crio/crio.conf.d/99-other.conf';
const json = '/etc/docker/daemon.json';
const k0sUnit = '/etc/systemd/system/k0sworker.service';
const k0sDropIn = '/etc/k0s/containerd.d/10-other.toml';
const nodeConfig = '/etc/eks/nodeadm.d/50-other.yaml';
const runUnit = '/etc/systemd/system/nodeadm-run.service';
const ini = '/etc/toy/toy.conf';

function nodeConfigOf(toml: string): string {
  const lines = toml.split('\n').map((line) => `      ${line}\n`);
  return `apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  containerd:\n    config: |\n${lines.join('')}`;
}

const newRuntimes = 'plugins."io.containerd.cri.v1.runtime".containerd.runtimes';
const rows: Row[] = [
  {
    engine: containerd,
    version: '1.7.24',
    files: { ...unitOf('containerd'), [main]: '# mine\r\nversion = 2\r\n' },
    foreign: { path: main, text: `version = 2\n[${plugin}.other]\nruntime_type = "io.containerd.kata.v2"\n[debug]\nlevel = "info"\n` },
    unreadable: { path: main, text: 'version = \n' },
    taken: { path: main, text: `version = 2\n[${plugin}.kata-qemu]\nruntime_type = "io.containerd.runc.v2"\n` },
  },
  {
    engine: crio,
    version: '1.34.0',
    files: { ...unitOf('crio'), '/etc/crio/crio.conf': '[crio.runtime]\nlog_level = "info"' },
    foreign: { path: dropIn, text: `[crio.runtime.runtimes.other]\nruntime_path = "${foreignShim}"\nruntime_type = "vm"\n` },
    unreadable: { path: dropIn, text: '[crio.runtime\n' },
    taken: { path: dropIn, text: '[crio.runtime.runtimes.kata-qemu]\nruntime_path = "/usr/bin/crun"\n' },
  },
  {
    engine: docker,
    version: '26.1.5',
    files: { ...unitOf('dockerd', 'docker'), [json]: '{\r\n\t"debug": false\r\n}' },
    foreign: { path: json, text: `{ "runtimes": { "other": { "runtimeType": "io.containerd.kata.v2" } },\n  "debug": true }\n` },
    unreadable: { path: json, text: '{ "debug": false, }\n' },
    taken: { path: json, text: '{ "runtimes": { "kata-qemu": { "path": "/usr/bin/crun" } } }\n' },
  },
  rancherRow(k3s, 'k3s.service'),
  rancherRow(rke2, 'rke2-server.service'),
  {
    engine: k0s,
    version: '1.34.10',
    files: {
      '/usr/local/bin/k0s': '',
      [k0sUnit]: '[Service]\nExecStart=/usr/local/bin/k0s worker\n',
      [k0sDropIn]: '# mine\r\n[debug]\r\nlevel = "info"',
    },
    foreign: { path: k0sDropIn, text: `version = 2\n[${plugin}.other]\nruntime_type = "io.containerd.kata.v2"\n[debug]\nlevel = "info"\n` },
    unreadable: { path: k0sDropIn, text: 'version = \n' },
    taken: { path: k0sDropIn, text: `[${plugin}.kata-qemu]\nruntime_type = "io.containerd.runc.v2"\n` },
  },
  {
    engine: nodeadm,
    version: '2.1.9',
    files: {
      ...unitOf('containerd'),
      [runUnit]: '[Service]\nExecStart=/usr/bin/nodeadm init --skip config --config-source file:///etc/eks/nodeadm.d/\n',
      '/etc/systemd/system/multi-user.target.wants/nodeadm-run.service': '',
      '/etc/eks/nodeadm.d/README': 'not read',
    },
    foreign: { path: nodeConfig, text: nodeConfigOf(`[${newRuntimes}.other]\nruntime_type = "io.containerd.kata.v2"`) },
    unreadable: { path: nodeConfig, text: 'spec: [\n' },
    taken: { path: nodeConfig, text: nodeConfigOf(`[${newRuntimes}.kata-qemu]\nruntime_type = "io.containerd.runc.v2"`) },
  },
  {
    engine: toy,
    version: '1.0',
    files: { [ini]: '; mine\n[defaults]\ncolour = blue and green' },
    foreign: { path: ini, text: `[runtime other]\nshim = ${foreignShim}\n[defaults]\ncolour = blue\n` },
    unreadable: { path: ini, text: 'colour = blue\n' },
    taken: { path: ini, text: '[runtime kata-qemu]\nshim = /usr/bin/runc\n' },
  },
];

const wanted = [handler('kata-qemu'), handler('kata-clh')];

async function onlyInstance(tree: EngineTree, { engine, version }: Row): Promise<Instance> {
  const found = await engine.detect(tree.host, version);
  assert.equal(found.length, 1);
  return found[0]!;
}

/** As a change does that replaces wiring of others. */
function asRecorded({ engine }: Row, { configPath }: Instance, { marks, handlers }: ForeignWiring): Wiring {
  const named = handlers.map((name) => ({ name, shim: '', configuration: '' }));
  return { engine: engine.name, configPath, method: 'of others', handlers: named, marks, folders: [], key: digestOf('') };
}

describe('the contract of engines', () => {
  const treeOf = treesOfSpec();

  it('holds for every engine of the program: each has a row here', () => {
    assert.deepEqual(
      rows.map(({ engine }) => engine.name),
      [...engines().map(({ name }) => name), toy.name],
    );
  });

  it('a row more is all that the program needs of an engine, and only for that work', async () => {
    const [inside, names] = await withEngines([toy], async () => {
      await Promise.resolve();
      return [engineNamed(toy.name), enginePlugins().map(({ name }) => name)];
    });

    assert.equal(inside, toy);
    assert.equal(names.at(-1), toy.name);
    assert.equal(engineNamed(toy.name), undefined);
  });

  for (const row of rows) {
    const { engine, files } = row;
    describe(engine.name, () => {
      it('says of everything that an engine may lack whether it has it', () => {
        for (const part of ['renders', 'offline', 'sample', 'dump', 'daemon', 'cri']) assert.ok(Object.hasOwn(engine, part), part);
        assert.match(engine.name, /^[a-z][a-z0-9]*$/);
      });

      it('is found on its host, again by what was recorded, and on no other host', async () => {
        const [tree, other] = [await treeOf(files), await treeOf({ '/etc/hostname': 'x' })];

        const instance = await onlyInstance(tree, row);
        const { wiring } = await engine.plan(tree.host, instance, wanted);
        const recorded = await engine.findRecorded(tree.host, wiring!);

        assert.deepEqual([instance.engine, instance.version], [engine.name, row.version]);
        assert.equal(recorded?.configPath, instance.configPath);
        assert.deepEqual(await engine.detect(other.host), []);
      });

      it('plans from nothing, then nothing more, then exactly the way back', async () => {
        const tree = await treeOf(files);
        const before = tree.everything();
        const instance = await onlyInstance(tree, row);

        const first = await engine.plan(tree.host, instance, wanted);
        await tree.apply(first);
        const again = await engine.plan(tree.host, instance, wanted, first.wiring);
        const fewer = await engine.plan(tree.host, instance, wanted.slice(1), first.wiring);
        await tree.apply(fewer);
        const away = await engine.plan(tree.host, instance, [], fewer.wiring);
        await tree.apply(away);

        assert.ok(first.changes.length > 0);
        assert.deepEqual(first.wiring?.handlers, wanted);
        assert.deepEqual([again.changes, again.makeFolders, again.wiring?.key], [[], [], first.wiring?.key]);
        assert.notEqual(fewer.wiring?.key, first.wiring?.key);
        assert.equal(away.wiring, undefined);
        assert.deepEqual(tree.everything(), before);
      });

      it('finds wiring of others, replaces it, and is gone where theirs is back', async () => {
        const { path, text } = row.foreign;
        const tree = await treeOf({ ...files, [path]: text });
        const before = tree.everything();
        const instance = await onlyInstance(tree, row);

        const foreign = await engine.findForeignWiring(tree.host, instance, foreignShim);
        const elsewhere = await engine.findForeignWiring(tree.host, instance, '/opt/none/containerd-shim-none-v2');
        const replacing = await engine.plan(tree.host, instance, wanted, asRecorded(row, instance, foreign));
        await tree.apply(replacing);
        const left = await engine.findForeignWiring(tree.host, instance, foreignShim);
        await tree.apply(await engine.plan(tree.host, instance, [], replacing.wiring));
        await tree.write(path, text);

        assert.deepEqual([foreign.handlers, elsewhere.marks, left.marks], [['other'], [], []]);
        assert.ok(foreign.marks.every((mark) => mark.path === path && text.split(mark.text).length === 2));
        assert.deepEqual(tree.everything(), before);
      });

      it('refuses a file that it could not read, and a name that others have; neither is touched', async () => {
        const codes: string[] = [];
        for (const { path, text } of [row.unreadable, row.taken]) {
          const tree = await treeOf({ ...files, [path]: text });
          const before = tree.everything();
          const instance = await onlyInstance(tree, row);
          codes.push(await refusalOf(engine.plan(tree.host, instance, wanted)));
          assert.deepEqual(tree.everything(), before);
        }

        assert.deepEqual(codes, ['engine-config-invalid', 'engine-foreign-handler']);
      });
    });
  }
});
