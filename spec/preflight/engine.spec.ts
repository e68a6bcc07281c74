import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { KataError } from '../../cli/errors/index.ts';
import type { HostView } from '../../cli/host/types.ts';
import { findEngine, findEngineToWire } from '../../cli/preflight/engine.ts';
import { scriptedSystemd } from '../support/scriptedSystemd.ts';
import { type EngineTree, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';

const containerd = { '/usr/bin/containerd': '', '/etc/containerd/config.toml': 'version = 2\n' };
const both = {
  ...containerd,
  '/usr/bin/crio': '',
  '/etc/crio/crio.conf': '',
};
const kubelet = (endpoint: string) => ({
  '/var/lib/kubelet/config.yaml': `kind: KubeletConfiguration\ncontainerRuntimeEndpoint: ${endpoint}\n`,
});

/** The host while these units run these commands. */
async function live(tree: EngineTree, units: Record<string, string>): Promise<HostView> {
  await tree.write('/proc/uptime', '1000.00 1000.00\n');
  await tree.write('/etc/hostname', 'x');
  const pids = new Map(Object.keys(units).map((unit, index) => [unit, index + 11]));
  for (const [unit, pid] of pids) {
    const [program = '', ...args] = units[unit]!.split(' ');
    mkdirSync(join(tree.root, `proc/${pid}`), { recursive: true });
    await tree.write(`/proc/${pid}/stat`, `${pid} (x) S 1${' 0'.repeat(17)} 100 0\n`);
    await tree.write(`/proc/${pid}/status`, 'Uid:\t0\t0\t0\t0\n');
    await tree.write(`/proc/${pid}/cmdline`, [program, ...args, ''].join('\0'));
    symlinkSync(program, join(tree.root, `proc/${pid}/exe`));
  }
  const { systemd } = scriptedSystemd((unit) => ({ activeState: pids.has(unit) ? 'active' : 'inactive', mainPid: pids.get(unit) ?? 0 }), {
    active: [...pids.keys()],
  });
  const run = async () => ({ code: 0, stdout: 'containerd x v2.1.0 0\n', stderr: '' });
  return { ...tree.host, live: true, booted: true, systemd: async () => systemd, run } as unknown as HostView;
}

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

  const endpoint = 'unix:///run/cri-dockerd.sock';
  const unmatched: [what: string, files: Record<string, string>, names: RegExp][] = [
    ['containerd and Docker', { ...containerd, ...dockerd }, /^name it: --engine containerd or --engine docker$/],
    ['containerd alone', containerd, /^name it: --engine containerd$/],
    ['Docker alone', dockerd, /^name it: --engine docker$/],
  ];
  for (const [what, files, names] of unmatched)
    it(`is not guessed where the kubelet uses the socket of none of them: ${what}; the named or recorded one is taken`, async () => {
      const tree = await treeOf({ ...files, ...kubelet(endpoint) });
      const name = names.source.includes('containerd') ? 'containerd' : 'docker';

      const refused = findEngine(tree.host, undefined);

      await assert.rejects(refused, ({ complaint, exitCode }: KataError) => {
        assert.match(complaint.next, names);
        assert.match(complaint.found, /cri-dockerd\.sock/);
        return exitCode === 3;
      });
      assert.equal((await findEngine(tree.host, name)).engine.name, name);
      assert.equal((await findEngine(tree.host, undefined, name)).engine.name, name);
    });

  it('is the one of the kubelet in a tree that has no link at /var/run', async () => {
    const tree = await treeOf({ ...both, ...kubelet('unix:///run/crio/crio.sock') });

    assert.equal((await findEngine(tree.host, undefined)).engine.name, 'crio');
  });

  const twice = {
    'containerd.service': '/usr/bin/containerd',
    'second-containerd.service': '/usr/bin/containerd --config /etc/second.toml --address /run/second.sock',
  };
  const instances: [what: string, endpoint: string | undefined, wish: string | undefined, unit: string | undefined][] = [
    ['the one that the kubelet uses', 'unix:///run/second.sock', undefined, 'second-containerd.service'],
    ['the one that the kubelet uses, where the engine is named', 'unix:///run/second.sock', 'containerd', 'second-containerd.service'],
    ['the usual one, where the kubelet uses it', 'unix:///run/containerd/containerd.sock', undefined, 'containerd.service'],
    ['the usual one without a kubelet', undefined, undefined, 'containerd.service'],
    ['none, where the kubelet uses another socket', 'unix:///run/third.sock', undefined, undefined],
  ];
  for (const [what, named, wish, unit] of instances)
    it(`of two running instances it is ${what}`, async () => {
      const tree = await treeOf({ ...(named === undefined ? {} : { ...kubelet(named), '/usr/bin/kubelet': '' }) });
      const host = await live(tree, twice);

      const found = await findEngine(host, wish).then(
        ({ instance }) => instance.unit,
        ({ code }: KataError) => code,
      );

      assert.equal(found, unit ?? 'host-unknown');
    });

  it('is none that another user runs in a unit of the host: its program is not run, its words are not read', async () => {
    const tree = await treeOf({});
    const host = await live(tree, { 'containerd.service': '/home/bob/containerd' });
    await tree.write('/proc/11/status', 'Uid:\t1000\t1000\t1000\t1000\n');
    const run = async () => assert.fail('it was run');
    const readText: HostView['readText'] = async (path, kind) =>
      path === '/proc/11/cmdline' ? assert.fail('it was read') : host.readText(path, kind);

    const found = await findEngine({ ...host, run, readText }, undefined).catch(({ code }: KataError) => code);

    assert.equal(found, 'engine-missing');
  });

  const kubelets: [what: string, files: Record<string, string>, engine: string][] = [
    ['what a kubelet has left is none', { '/var/lib/kubelet/pods/x': '', ...kubelet(rows[0]![0]) }, 'host-unknown'],
    ['its program is one', { '/usr/bin/kubelet': '' }, 'containerd'],
    ['its unit is one', { '/etc/systemd/system/kubelet.service': '[Service]\n' }, 'containerd'],
  ];
  for (const [what, files, wanted] of kubelets)
    it(`beside a running Docker it is containerd only for a kubelet: ${what}`, async () => {
      const tree = await treeOf(files);
      const host = await live(tree, { 'containerd.service': '/usr/bin/containerd', 'docker.service': '/usr/bin/dockerd' });

      const found = await findEngine(host, undefined).then(
        ({ engine }) => engine.name,
        ({ code }: KataError) => code,
      );

      assert.equal(found, wanted);
    });

  it('that is named with its version and not in the tree has to be installed there: another name cannot help', async () => {
    const tree = await treeOf({ '/etc/hostname': 'x' });

    const missing = findEngine(tree.host, 'nodeadm@2.1');

    await assert.rejects(missing, ({ code, complaint }: KataError) => {
      assert.deepEqual([code, complaint.next], ['engine-missing', 'install nodeadm in the tree first']);
      return true;
    });
  });

  it('is never Podman: it is refused by its name, with the reason', async () => {
    const tree = await treeOf(containerd);

    await assert.rejects(findEngine(tree.host, 'podman'), ({ code, complaint }: KataError) => {
      assert.match(complaint.found, /no shims.*issue 722/);
      return code === 'engine-unsupported';
    });
  });
});
