import assert from 'node:assert/strict';
import type { KataError } from '../../cli/errors/index.ts';
import { findEngine, findEngineToWire } from '../../cli/preflight/engine.ts';
import { refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';

const containerd = { '/usr/bin/containerd': '', '/etc/containerd/config.toml': 'version = 2\n' };
const both = {
  ...containerd,
  '/usr/bin/crio': '',
  '/etc/crio/crio.conf': '',
};
const kubelet = (endpoint: string) => ({
  '/var/lib/kubelet/config.yaml': `kind: KubeletConfiguration\ncontainerRuntimeEndpoint: ${endpoint}\n`,
});

describe('preflight: the engine of a host that has several', () => {
  const treeOf = treesOfSpec();

  const rows: [endpoint: string, engine: string][] = [
    ['unix:///run/containerd/containerd.sock', 'containerd'],
    ['unix:///var/run/crio/crio.sock', 'crio'],
  ];
  for (const [endpoint, wanted] of rows)
    it(`is ${wanted} where the kubelet uses it`, async () => {
      const tree = await treeOf({ ...both, ...kubelet(endpoint), '/run/hostname': '' });

      const { engine } = await findEngine(tree.host, undefined);

      assert.equal(engine.name, wanted);
    });

  it('is the named one, whatever the kubelet uses', async () => {
    const tree = await treeOf({ ...both, ...kubelet(rows[0]![0]) });

    assert.equal((await findEngine(tree.host, 'crio')).engine.name, 'crio');
  });

  for (const [what, files] of Object.entries({ 'no kubelet': {}, 'a kubelet of another engine': kubelet('unix:///run/other.sock') }))
    it(`is not guessed with ${what}: all names are told`, async () => {
      const tree = await treeOf({ ...both, ...files });

      const refused = findEngine(tree.host, undefined);

      await assert.rejects(refused, ({ complaint, exitCode }: KataError) => {
        assert.match(complaint.next, /--engine containerd or --engine crio/);
        return exitCode === 3;
      });
    });

  const dockerd = { '/usr/bin/dockerd': '', '/etc/docker/daemon.json': '{}' };
  const besides: [what: string, files: Record<string, string>, engine: string][] = [
    ['beside a containerd that a kubelet uses', { ...containerd, ...dockerd, ...kubelet(rows[0]![0]) }, 'containerd'],
    ['beside a containerd, where neither runs', { ...containerd, ...dockerd }, 'containerd'],
    ['where nothing else is there', dockerd, 'docker'],
  ];
  for (const [what, files, wanted] of besides)
    it(`is ${wanted} of a host with Docker ${what}`, async () => {
      const tree = await treeOf(files);

      assert.equal((await findEngine(tree.host, undefined)).engine.name, wanted);
      assert.equal((await findEngine(tree.host, 'docker@26.1.5')).engine.name, 'docker');
    });

  it('is Docker where it is named, on a node whose pods another program’s engine serves', async () => {
    const tree = await treeOf({
      ...dockerd,
      '/etc/systemd/system/snap.microk8s.daemon-containerd.service': '',
      '/etc/systemd/system/multi-user.target.wants/snap.microk8s.daemon-containerd.service': '',
    });

    const unnamed = await refusalOf(findEngineToWire(tree.host, undefined));
    const { engine } = await findEngineToWire(tree.host, 'docker@26.1.5');

    assert.equal(unnamed, 'engine-rendered');
    assert.equal(engine.name, 'docker');
  });

  it('is never Podman: it is refused by its name, with the reason', async () => {
    const tree = await treeOf(containerd);

    await assert.rejects(findEngine(tree.host, 'podman'), ({ code, complaint }: KataError) => {
      assert.match(complaint.found, /no shims.*issue 722/);
      return code === 'engine-unsupported';
    });
  });
});
