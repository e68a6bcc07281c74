import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { containerd } from '../../../cli/engines/containerd/index.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { findEngineToWire } from '../../../cli/preflight/engine.ts';
import { realFiles } from '../../support/mutations/corpus.ts';
import { eachRound, mutationCount } from '../../support/mutations/random.ts';
import { mutatedToml } from '../../support/mutations/toml.ts';
import { loopMs, seed } from '../../support/sample.ts';
import { handler, instanceOf, treesOfSpec } from '../../support/trees/engineTree.ts';

const containerdHost = {
  '/usr/bin/containerd': '',
  '/usr/lib/systemd/system/containerd.service': '[Service]\nExecStart=/usr/bin/containerd\n',
  '/etc/containerd/config.toml': 'version = 2\n',
};
const unit = '/etc/systemd/system/snap.microk8s.daemon-containerd.service';
const template = `version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\nsnapshotter = "\${SNAPSHOTTER}"\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\nruntime_type = "io.containerd.kata.v2"\n`;
const podmanText = '[engine]\nruntime = "crun"\n[engine.runtimes]\nkrun = ["/usr/bin/krun"]\n';
const microk8s = [template, ...realFiles(['microk8s'], /toml$/).map(({ text }) => text)];
const podman = [podmanText, ...realFiles(['podman'], /\.conf$/).map(({ text }) => text)];

describe('engines that are refused: files that others changed', function () {
  this.timeout(loopMs);
  const treeOf = treesOfSpec();

  it(`microk8s: ${mutationCount / 4} templates and rendered files stay as they are, and the host is refused (seed ${seed})`, async () => {
    await eachRound(async (random) => {
      const folder = '/var/snap/microk8s/current/args';
      const tree = await treeOf({
        ...containerdHost,
        [unit]: '[Service]\nExecStart=/usr/bin/snap run microk8s.daemon-containerd\n',
        '/etc/systemd/system/multi-user.target.wants/x': '',
        [`${folder}/containerd-template.toml`]: mutatedToml(random.pick(microk8s), random),
        [`${folder}/containerd.toml`]: mutatedToml(random.pick(microk8s), random),
      });
      await symlink(unit, join(tree.root, '/etc/systemd/system/multi-user.target.wants/snap.microk8s.daemon-containerd.service'));
      const before = tree.everything();

      const codes = await Promise.all([undefined, 'containerd@2.1'].map((name) => codeOf(findEngineToWire(tree.host, name))));

      assert.deepEqual(codes, ['engine-rendered', 'engine-rendered']);
      assert.deepEqual(tree.everything(), before);
      await tree.remove();
    }, 4);
  });

  it(`podman: ${mutationCount / 4} files of containers.conf change nothing for containerd, and a named podman is refused (seed ${seed})`, async () => {
    const wanted = [handler('kata-qemu')];
    const plain = await treeOf(containerdHost);
    const alone = await containerd.plan(plain.host, instanceOf('2.1.9'), wanted);

    await eachRound(async (random) => {
      const tree = await treeOf({
        ...containerdHost,
        '/usr/bin/podman': '',
        [random.pick([
          '/etc/containers/containers.conf',
          '/usr/share/containers/containers.conf',
          '/etc/containers/containers.conf.d/x.conf',
        ])]: mutatedToml(random.pick(podman), random),
      });
      const before = tree.everything();

      const { engine } = await findEngineToWire(tree.host, undefined);
      const beside = await containerd.plan(tree.host, instanceOf('2.1.9'), wanted);
      const named = await codeOf(findEngineToWire(tree.host, 'podman'));

      assert.deepEqual([engine.name, named], ['containerd', 'engine-unsupported']);
      assert.deepEqual(beside, alone);
      assert.deepEqual(tree.everything(), before);
      await tree.remove();
    }, 4);
  });
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => 'no error',
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof KataError, String(error));
  return error.code;
}
