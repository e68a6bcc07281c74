import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rendererOf, writerOf } from '../../cli/engines/index.ts';
import { KataError } from '../../cli/errors/index.ts';
import type { HostView } from '../../cli/host/types.ts';
import { findEngine, findEngineToWire } from '../../cli/preflight/engine.ts';
import type { Systemd, UnitState } from '../../cli/systemd/types.ts';
import { type EngineTree, engineTree } from '../support/trees/engineTree.ts';

const plain = {
  '/usr/bin/containerd': '',
  '/usr/lib/systemd/system/containerd.service': '[Service]\nExecStart=/usr/bin/containerd\n',
  '/etc/containerd/config.toml': 'version = 2\n',
};
/** Those that kata-sysext wires, by title: it finds them in place of containerd. */
const wired = new Map([
  ['k3s', 'k3s'],
  ['RKE2', 'rke2'],
  ['k0s', 'k0s'],
]);
/** Of each renderer a unit that its installer makes, and what that starts. */
const units: [name: string, unit: string, start: string][] = [
  ['k3s', '/etc/systemd/system/k3s.service', '/usr/local/bin/k3s \\\n    server \\\n'],
  ['k3s', '/etc/systemd/system/k3s-agent.service', '/usr/local/bin/k3s agent'],
  ['RKE2', '/usr/local/lib/systemd/system/rke2-server.service', '/usr/local/bin/rke2 server'],
  ['RKE2', '/usr/lib/systemd/system/rke2-agent.service', '/usr/bin/rke2 agent'],
  ['k0s', '/etc/systemd/system/k0sworker.service', '/usr/local/bin/k0s worker --token-file=/etc/k0s/token'],
  ['k0s', '/etc/systemd/system/k0scontroller.service', '/usr/local/bin/k0s controller --single'],
  ['microk8s', '/etc/systemd/system/snap.microk8s.daemon-containerd.service', '/usr/bin/snap run microk8s.daemon-containerd'],
];
/** Of the one that kata-sysext wires and that starts no engine of its own. */
const ofNodeadm: [name: string, unit: string, start: string][] = [
  ['nodeadm', '/etc/systemd/system/nodeadm-config.service', '/usr/bin/nodeadm init --skip run'],
  ['nodeadm', '/etc/systemd/system/nodeadm-run.service', '/usr/bin/nodeadm init --skip config'],
];

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function link(tree: EngineTree, path: string, target: string): void {
  mkdirSync(dirname(join(tree.root, path)), { recursive: true });
  rmSync(join(tree.root, path), { force: true });
  symlinkSync(target, join(tree.root, path));
}

function enable(tree: EngineTree, unit: string): void {
  link(tree, `/etc/systemd/system/multi-user.target.wants/${nameOf(unit)}`, unit);
}

/** A live host with these units, by their main process: 0 for one that has ended. */
async function live(tree: EngineTree, running: Record<string, { pid: number; program: string; state?: string }>): Promise<HostView> {
  await tree.write('/proc/uptime', '1000.00 1000.00\n');
  for (const { pid, program } of Object.values(running)) {
    if (pid === 0) continue;
    await tree.write(`/proc/${pid}/stat`, `${pid} (x) S${' 0'.repeat(18)} 100 0\n`);
    await tree.write(`/proc/${pid}/status`, 'Uid:\t0\t0\t0\t0\n');
    await tree.write(`/proc/${pid}/cmdline`, `${program}\0`);
    link(tree, `/proc/${pid}/exe`, program);
  }
  const stateOf = (unit: string): Partial<UnitState> => {
    const known = running[unit];
    return {
      unit,
      loadState: 'loaded',
      activeState: known === undefined ? 'inactive' : (known.state ?? 'active'),
      mainPid: known?.pid ?? 0,
    };
  };
  const systemd = {
    livingUnits: async () => Object.keys(running),
    activeUnits: async () => Object.keys(running),
    unit: async (unit: string) => stateOf(unit),
  } as unknown as Systemd;
  return { ...tree.host, live: true, booted: true, systemd: async () => systemd };
}

async function codeOf(promise: Promise<unknown>): Promise<[string, string, string]> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof KataError, String(error));
  return [error.code, error.complaint.subject ?? '', error.complaint.found];
}

describe('engines/renderers: who else writes what containerd reads', () => {
  let tree: EngineTree;
  beforeEach(async () => {
    tree = await engineTree(plain);
  });
  afterEach(async () => tree.remove());

  describe('in an offline tree', () => {
    for (const [name, unit, start] of units) {
      it(`${nameOf(unit)} that a boot starts is ${name}, also beside containerd and with --engine containerd`, async () => {
        await tree.write(unit, `[Service]\nExecStart=${start}\n`);
        enable(tree, unit);

        const explicit = await codeOf(findEngineToWire(tree.host, 'containerd@2.1'));

        assert.deepEqual([explicit[0], explicit[1]], ['engine-rendered', name]);
        assert.match(explicit[2], new RegExp(nameOf(unit).replaceAll('.', '\\.')));
        if (wired.has(name)) {
          const { engine, instance } = await findEngineToWire(tree.host, undefined);
          assert.deepEqual([engine.name, instance.unit, instance.renderer?.title], [wired.get(name), nameOf(unit), name]);
        } else assert.deepEqual(await codeOf(findEngineToWire(tree.host, undefined)), explicit);
      });

      it(`${nameOf(unit)} that is left over or masked is not, beside containerd`, async () => {
        await tree.write(unit, `[Service]\nExecStart=${start}\n`);
        const installed = await findEngineToWire(tree.host, undefined);
        enable(tree, unit);
        if (!unit.startsWith('/etc')) link(tree, `/etc/systemd/system/${nameOf(unit)}`, '/dev/null');
        else rmSync(join(tree.root, unit));

        const masked = await findEngineToWire(tree.host, undefined);

        assert.equal(installed.engine.name, 'containerd');
        assert.equal(masked.engine.name, 'containerd');
      });
    }

    for (const [name, unit, start] of ofNodeadm) {
      it(`${nameOf(unit)} that a boot starts makes ${name} the engine, and --engine containerd is refused`, async () => {
        await tree.write(unit, `[Service]\nExecStart=${start}\n`);
        enable(tree, unit);

        const detected = await findEngineToWire(tree.host, 'nodeadm@2.1');
        const alone = await findEngineToWire(tree.host, undefined);
        const refused = await findEngineToWire(tree.host, 'containerd@2.1').then(
          () => undefined,
          (error: KataError) => error,
        );

        assert.deepEqual([detected.engine.name, alone.engine.name], [name, name]);
        assert.deepEqual([refused?.code, refused?.complaint.subject], ['engine-rendered', name]);
        assert.match(refused?.complaint.next ?? '', /--engine nodeadm/);
      });

      it(`${nameOf(unit)} that is left over or masked does not, beside containerd`, async () => {
        await tree.write(unit, `[Service]\nExecStart=${start}\n`);
        const installed = await findEngineToWire(tree.host, undefined);
        enable(tree, unit);
        rmSync(join(tree.root, unit));

        const masked = await findEngineToWire(tree.host, undefined);

        assert.deepEqual([installed.engine.name, masked.engine.name], ['containerd', 'containerd']);
      });
    }

    it('files alone count where no ordinary engine is, and a named one is none', async () => {
      const bare = await engineTree({ '/var/lib/rancher/rke2/agent/etc/containerd/config.toml': 'version = 3\n' });

      const detected = await findEngineToWire(bare.host, undefined);
      const explicit = await codeOf(findEngineToWire(bare.host, 'containerd@2.1'));
      await tree.write('/var/lib/rancher/rke2/agent/etc/containerd/config.toml', 'version = 3\n');
      const beside = await findEngineToWire(tree.host, undefined);

      await bare.remove();
      assert.equal(detected.engine.name, 'rke2');
      assert.deepEqual([explicit[0], explicit[1]], ['engine-rendered', 'RKE2']);
      assert.equal(beside.engine.name, 'containerd');
    });

    it('one that is told to use an engine of the host writes nothing', async () => {
      const endpoint = 'unix:///run/containerd/containerd.sock';
      await tree.write(
        '/etc/systemd/system/k3s.service',
        `[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--container-runtime-endpoint=${endpoint}' \\\n`,
      );
      enable(tree, '/etc/systemd/system/k3s.service');
      const byCommand = await rendererOf(tree.host, undefined);
      await tree.write('/etc/systemd/system/k3s.service', '[Service]\nExecStart=/usr/local/bin/k3s server\n');
      const by = async (text: string) => {
        await tree.write('/etc/rancher/k3s/config.yaml.d/10-cri.yaml', text);
        return (await rendererOf(tree.host, undefined))?.renderer.title;
      };

      assert.equal(byCommand, undefined);
      assert.equal(await by(`container-runtime-endpoint: ${endpoint}\n`), undefined);
      assert.equal(await by('docker: true\n'), undefined);
      await tree.write('/etc/own.yaml', `container-runtime-endpoint: ${endpoint}\n`);
      await tree.write('/etc/systemd/system/k3s.service', '[Service]\nExecStart=/usr/local/bin/k3s server -c /etc/own.yaml\n');
      assert.equal(await by('\n'), undefined);
      await tree.write('/etc/own.yaml', '\n');
      assert.equal(await by('docker: true\n'), 'k3s');
      await tree.write('/etc/systemd/system/k3s.service', '[Service]\nExecStart=/usr/local/bin/k3s server\n');
      assert.equal(await by(`# container-runtime-endpoint: ${endpoint}\n`), 'k3s');
      assert.equal(await by('container-runtime-endpoint: unix:///run/k3s/containerd/containerd.sock\n'), 'k3s');
      assert.equal(await by(`${'x'.repeat(1 << 20)}\ndocker: true\n`), 'k3s');
    });

    it('a pipe where its configuration is expected makes nobody wait', async () => {
      await tree.write('/etc/systemd/system/k3s.service', '[Service]\nExecStart=/usr/local/bin/k3s server\n');
      enable(tree, '/etc/systemd/system/k3s.service');
      mkdirSync(join(tree.root, 'etc/rancher/k3s'), { recursive: true });
      execFileSync('mkfifo', [join(tree.root, 'etc/rancher/k3s/config.yaml')]);

      assert.equal((await rendererOf(tree.host, undefined))?.renderer.title, 'k3s');
    });

    it('an empty folder that an uninstall left is nothing', async () => {
      mkdirSync(join(tree.root, 'etc/rancher/k3s'), { recursive: true });

      assert.equal(await rendererOf(tree.host, undefined), undefined);
    });

    it('nodeadm says nothing of CRI-O', async () => {
      const crio = await engineTree({ '/usr/bin/crio': '', '/etc/crio/crio.conf.d/10-crio.conf': '' });
      await crio.write('/etc/systemd/system/nodeadm-config.service', '[Service]\n');
      enable(crio, '/etc/systemd/system/nodeadm-config.service');

      const found = await findEngineToWire(crio.host, undefined);

      await crio.remove();
      assert.equal(found.engine.name, 'crio');
    });
  });

  describe('on a live host', () => {
    const containerd = { 'containerd.service': { pid: 11, program: '/usr/bin/containerd' } };

    for (const [name, unit] of units) {
      it(`${nameOf(unit)} that runs is ${name}, also beside a containerd that runs`, async () => {
        const host = await live(tree, { ...containerd, [nameOf(unit)]: { pid: 12, program: '/usr/local/bin/x', state: 'activating' } });

        const refused = await codeOf(findEngineToWire(host, 'containerd'));

        assert.deepEqual([refused[0], refused[1]], ['engine-rendered', name]);
      });

      it(`${nameOf(unit)} that is enabled and stopped is nothing beside a containerd that runs`, async () => {
        await tree.write(unit, '[Service]\n');
        enable(tree, unit);
        const host = await live(tree, containerd);

        const found = await findEngineToWire(host, undefined);

        assert.equal(found.instance.process?.pid, 11);
      });
    }

    it('a unit of another name counts where it runs k3s', async () => {
      const k3s = '/var/lib/rancher/k3s/data/0f/bin/k3s';
      const other = await live(tree, { ...containerd, 'k3s-backup.service': { pid: 13, program: '/usr/bin/bash' } });
      const passed = await findEngineToWire(other, undefined);

      const host = await live(tree, { ...containerd, 'k3s-blue.service': { pid: 14, program: k3s } });

      const found = await findEngineToWire(host, undefined);
      assert.equal(passed.engine.name, 'containerd');
      assert.deepEqual([found.engine.name, found.instance.unit, found.instance.process?.pid], ['k3s', 'k3s-blue.service', 14]);
      assert.equal((await codeOf(findEngineToWire(host, 'containerd')))[1], 'k3s');
    });

    it('nodeadm has ended long ago and counts by being enabled', async () => {
      await tree.write('/etc/systemd/system/nodeadm-run.service', '[Service]\n');
      await tree.write('/run/eks/nodeadm/config.json', '{}');
      const host = await live(tree, containerd);
      const disabled = await findEngineToWire(host, undefined);

      enable(tree, '/etc/systemd/system/nodeadm-run.service');

      assert.equal(disabled.engine.name, 'containerd');
      assert.equal((await findEngineToWire(host, undefined)).engine.name, 'nodeadm');
    });

    it('an uninstall still finds the engine', async () => {
      const host = await live(tree, { ...containerd, 'k3s.service': { pid: 12, program: '/usr/local/bin/k3s' } });

      assert.equal((await findEngine(host, undefined, 'containerd')).instance.process?.pid, 11);
    });
  });

  describe('an operating system or a cloud that writes the file itself', () => {
    // os-release of each as its images have it, and what AgentBaker leaves on a node.
    const hosts: [title: string, path: string, text: string][] = [
      [
        'Container-Optimized OS',
        '/etc/os-release',
        'NAME="Container-Optimized OS"\nID=cos\nPRETTY_NAME="Container-Optimized OS from Google"\nHOME_URL="https://example.org"\nVERSION=121\nVERSION_ID=121\nBUILD_ID=18867.90.62\n',
      ],
      [
        'Bottlerocket',
        '/etc/os-release',
        'NAME=Bottlerocket\nID=bottlerocket\nVERSION="1.42.0 (aws-k8s-1.33)"\nPRETTY_NAME="Bottlerocket OS 1.42.0 (aws-k8s-1.33)"\nVARIANT_ID=aws-k8s-1.33\nVERSION_ID=1.42.0\n',
      ],
      ['Talos Linux', '/usr/lib/os-release', 'NAME="Talos"\nID=talos\nVERSION_ID=v1.10.5\nPRETTY_NAME="Talos (v1.10.5)"\n'],
      ['AKS', '/opt/azure/vhd-install.complete', 'Starting build on  Mon Jun  1 00:00:00 UTC 2026\n'],
      ['AKS', '/opt/azure/containers/provision.complete', ''],
    ];
    for (const [title, path, text] of hosts) {
      it(`${title} is told by ${path}, beside a containerd that runs, and says what is possible there`, async () => {
        await tree.write(path, text);
        const host = await live(tree, { 'containerd.service': { pid: 11, program: '/usr/bin/containerd' } });

        const offline = await codeOf(findEngineToWire(tree.host, 'containerd@2.1'));
        const running = await codeOf(findEngineToWire(host, undefined));

        assert.deepEqual([offline[0], offline[1]], ['engine-rendered', title]);
        assert.deepEqual(running, offline);
        assert.match(offline[2], new RegExp(`(ID=\\w+ in )?${path}`));
      });
    }

    it('no other os-release is one of them', async () => {
      await tree.write('/etc/os-release', 'ID=flatcar\nID_LIKE="coreos cos"\nVARIANT_ID=talos\nNAME=Bottlerocket\n');

      assert.equal((await findEngineToWire(tree.host, undefined)).engine.name, 'containerd');
    });
  });

  it('knows the configurations that they wrote, and no ordinary one', () => {
    const written: [string, string | undefined][] = [
      ['# File generated by k3s. DO NOT EDIT. Use config-v3.toml.tmpl instead.\nversion = 3\n', 'k3s'],
      ['version = 2\n[plugins."io.containerd.internal.v1.opt"]\n  path = "/var/lib/rancher/rke2/agent/containerd"\n', 'RKE2'],
      ['# k0s_managed=true\nversion = 3\nimports = ["/etc/k0s/containerd.d/*.toml"]\n', 'k0s'],
      ['version = 2\n[plugins]\n  path = "/var/snap/microk8s/common/var/lib/containerd"\n', 'microk8s'],
      ["version = 3\n[runtimes.runc]\nbase_runtime_spec = '/etc/containerd/base-runtime-spec.json'\n", 'nodeadm'],
      ['version = 3\nroot = "/var/lib/containerd"\nimports = ["/etc/containerd/conf.d/*.toml"]\n', undefined],
    ];

    const names = written.map(([text]) => writerOf(text)?.title);

    assert.deepEqual(
      names,
      written.map(([, name]) => name),
    );
  });
});
