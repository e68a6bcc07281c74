import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { type EngineHost, engineHosts, prepareEngineHost } from '../support/trees/engineHosts.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

const handler = 'kata-qemu-runtime-rs';

/** Where each engine's default handler is named, as its administrator names it. */
const places: Record<string, (host: InProcessTree, name: string) => void> = {
  containerd: (host, name) => edit(host, 'etc/containerd/config.toml', toml('io.containerd.grpc.v1.cri', name)),
  'containerd, a root file': (host, name) => edit(host, 'usr/share/containerd/config.toml', toml('io.containerd.cri.v1.runtime', name)),
  'CRI-O': (host, name) => put(host.root, 'etc/crio/crio.conf.d/99-mine.conf', `[crio.runtime]\ndefault_runtime = "${name}"\n`),
  Docker: (host, name) => named(host, 'etc/docker/daemon.json', /^\{(?:"default-runtime": "[^"]*",)?/, `{"default-runtime": "${name}",`),
  'k3s, templates': (host, name) => put(host.root, 'etc/rancher/k3s/config.yaml', `token: x\ndefault-runtime: ${name}\n`),
  'k3s, a drop-in': (host, name) =>
    named(host, 'etc/systemd/system/k3s.service', /^(ExecStart=.*?)(?: --default-runtime=\S+)?$/m, `$1 --default-runtime=${name}`),
  RKE2: (host, name) => put(host.root, 'etc/rancher/rke2/config.yaml.d/10-mine.yaml', `"default-runtime": "${name}"\n`),
  k0s: (host, name) => put(host.root, 'etc/k0s/containerd.d/99-mine.toml', `version = 2\n${toml('io.containerd.grpc.v1.cri', name)}`),
  nodeadm: (host, name) =>
    put(host.root, 'etc/eks/nodeadm.d/95-mine.yaml', nodeConfig(toml('io.containerd.cri.v1.runtime', name).trim().split('\n'))),
};

describe('a handler that the files of an engine name as the default one', function () {
  this.timeout(600_000);
  let first: string;

  before(async () => {
    ({ first } = await plainReleases());
  });

  for (const [title, name] of Object.entries(places))
    it(`${title}: is not removed from a tree, with one plain error; with another default it is`, async () => {
      const host = hostOf(engineHosts[title]!);
      await host.json(['install', first]);
      name(host, handler);
      const before = host.listing();

      const refused = await host.json(['uninstall'], 3);
      const planned = await host.json(['uninstall', '--dry-run'], 3);
      const untouched = host.listing();
      name(host, 'runc');
      const done = await host.json(['uninstall']);

      assert.deepEqual([refused['code'], planned['code'], refused['subject']], ['handler-is-default', 'handler-is-default', handler]);
      assert.match(String(refused['next']), /^Set .*runc.* then run the command again$/);
      assert.deepEqual(untouched, before);
      assert.equal(done['changed'], true);
      host.remove();
    });

  for (const title of ['containerd', 'CRI-O', 'k0s'])
    it(`${title}: the boot guard leaves a generation that it would roll back, and says what to do`, async () => {
      const host = hostOf(engineHosts[title]!);
      await host.json(['install', first]);
      places[title]!(host, handler);
      loseShim(host);
      const before = host.listing();

      const refused = await boot(host, 3);
      const after = host.listing();
      places[title]!(host, 'runc');
      await boot(host, 0);
      const { active } = (await host.json(['status'])) as { active?: number };

      assert.equal(refused['code'], 'handler-is-default');
      assert.match(
        String(refused['found']),
        /^generation 1 should be rolled back \(.*\), and stays as it is: .* names kata-qemu-runtime-rs as its default handler/,
      );
      assert.match(String(refused['next']), /then kata-sysext uninstall --root /);
      assert.deepEqual(after, before);
      assert.equal(active, undefined);
      host.remove();
    });
});

/** Then the generation does not suit the system. */
function loseShim(host: InProcessTree): void {
  execFileSync('find', [host.root, '-name', 'containerd-shim-kata-v2', '-delete']);
}

/** The first phase of a boot. */
function boot(host: InProcessTree, wanted: number): Promise<Record<string, unknown>> {
  return host.json(['recover', '--boot', 'recover'], wanted);
}

function hostOf(row: EngineHost): InProcessTree {
  return inProcessTree(row.tree, (root) => prepareEngineHost(root, row), row.engine);
}

function toml(plugin: string, name: string): string {
  return `\n[plugins."${plugin}".containerd]\n  default_runtime_name = "${name}"\n`;
}

function nodeConfig(lines: string[]): string {
  return `apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  containerd:\n    config: |\n${lines.map((line) => `      ${line}\n`).join('')}`;
}

/** At the end of a file of the engine, in place of what an earlier call wrote. */
function edit(host: InProcessTree, path: string, table: string): void {
  const text = readFileSync(host.path(path), 'utf8').replace(/\n\[plugins\."[^"]+"\.containerd\]\n.*\n/, '');
  writeFileSync(host.path(path), `${text}${table}`);
}

function named(host: InProcessTree, path: string, pattern: RegExp, text: string): void {
  writeFileSync(host.path(path), readFileSync(host.path(path), 'utf8').replace(pattern, text));
}
