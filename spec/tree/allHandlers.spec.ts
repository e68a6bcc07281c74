import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../../cli/facts/index.ts';
import { completeArchives, handlersOf } from '../support/archives/completeArchives.ts';
import { endAfter, removeAfter } from '../support/endings.ts';
import { repo } from '../support/program.ts';
import { loopMs, sample } from '../support/sample.ts';
import { scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** ELF machine numbers with their byte order. */
const machines: Record<Architecture, [number, 'little' | 'big']> = {
  x86_64: [62, 'little'],
  aarch64: [183, 'little'],
  s390x: [22, 'big'],
  ppc64le: [21, 'little'],
};

/** What the configurations name on the host itself. */
const hostFiles: Record<string, string[]> = {
  'kata-clh-azure': ['/usr/share/cloud-hypervisor/vmlinux.bin'],
  'kata-clh-azure-runtime-rs': ['/usr/share/cloud-hypervisor/vmlinux.bin'],
};

interface Judgement {
  offered: Record<string, string>;
  problems: string[];
  handlers: Record<string, { checked: number; problems: string[]; host: string[] }>;
}

function judge(root: string): Judgement {
  return JSON.parse(
    execFileSync('python3', [join(repo, 'spec/support/judges/judgeConfigurations.py'), root], { encoding: 'utf8' }),
  ) as Judgement;
}

function hostOf(arch: Architecture): TreeHost {
  return treeHost('fcos', (root) => {
    const path = join(root, 'usr/lib/systemd/systemd');
    const head = readFileSync(path);
    const [machine, order] = machines[arch];
    head[5] = order === 'little' ? 1 : 2;
    if (order === 'little') head.writeUInt16LE(machine, 18);
    else head.writeUInt16BE(machine, 18);
    writeFileSync(path, head);
  });
}

for (const arch of Object.keys(machines) as Architecture[]) {
  describe(`every handler of Kata 4.1.0 for ${arch}, judged by another TOML reader`, function () {
    this.timeout(loopMs);
    const names = handlersOf(arch);
    let folder: string;
    let bundles: [string, string];
    let host: TreeHost;

    before(async function () {
      const python = spawnSync('python3', ['-c', 'import tomllib'], { encoding: 'utf8' });
      if (python.status !== 0) {
        console.log('      left out: the judge needs python3 of 3.11 or later, which has tomllib');
        return this.skip();
      }
      folder = scratch('complete');
      bundles = await completeArchives(folder, arch);
      host = hostOf(arch);
    });
    endAfter(
      () => host,
      (tree) => tree.remove(),
    );
    removeAfter(() => folder);

    function assertWhole(wanted: string[]): void {
      const { offered, problems, handlers } = judge(host.root);
      assert.deepEqual(problems, []);
      assert.deepEqual(Object.keys(handlers).sort(), [...wanted].sort());
      assert.deepEqual(Object.keys(offered).sort(), [...wanted].sort());
      for (const [name, { checked, problems: own, host: foreign }] of Object.entries(handlers)) {
        assert.deepEqual(own, [], name);
        assert.deepEqual(foreign, hostFiles[name] ?? [], name);
        assert.ok(checked >= (name === 'kata-remote' ? 0 : 2), `${name}: only ${checked} paths were checked`);
      }
    }

    it(`all ${names.length} at once: every file that a configuration names is there`, async () => {
      await host.json(['install', ...bundles, ...names.flatMap((name) => ['--handler', name])]);

      assertWhole(names);
      assert.deepEqual((await host.json(['verify']))['drift'], []);
    });

    it('one at a time: the same, and nothing of another handler is offered', async () => {
      for (const name of sample(names, 3, arch)) {
        await host.json(['install', ...bundles, '--handler', name]);

        assertWhole([name]);
        await host.json(['gc', '--keep', '0']);
      }
    });

    it('leaves nothing behind', async () => {
      await host.json(['uninstall', '--purge']);

      assert.ok(!readdirSync(host.path('etc')).includes('kata-sysext'));
      assert.ok(!readdirSync(host.path('var/lib')).includes('kata-sysext'));
      assert.deepEqual(readdirSync(host.path('var/usrlocal')), []);
    });
  });
}

describe('the judge of configurations', () => {
  it('sees a file that is missing, one that is no program, and a path that was left at /opt/kata', async function () {
    if (spawnSync('python3', ['-c', 'import tomllib']).status !== 0) {
      console.log('      left out: python3 has no tomllib (3.11)');
      return this.skip();
    }
    const folder = scratch('complete');
    const bundles = await completeArchives(folder, 'x86_64');
    const host = hostOf('x86_64');
    await host.json(['install', ...bundles, '--handler', 'qemu']);
    const payload = execFileSync('find', [host.root, '-path', '*/usr/share/kata', '-type', 'd'], { encoding: 'utf8' }).trim();
    const text = host.path('usr/local/libexec/kata-sysext/generations/1/config/kata-qemu/configuration.toml');
    rmSync(join(payload, 'share/kata-containers/vmlinux-6.18.35-202'));
    execFileSync('chmod', ['0644', join(payload, 'bin/virtiofsd'), join(payload, 'bin/containerd-shim-kata-v2')]);
    writeFileSync(text, `${readFileSync(text, 'utf8')}\n[mine]\nkey = ["/opt/kata/x"]\n`);

    const { problems, handlers } = judge(host.root);

    const told = handlers['kata-qemu']!.problems.join('\n');
    assert.match(told, /kernel = .*No such file/);
    assert.match(told, /virtio_fs_daemon = .*not executable/);
    assert.match(told, /mine\.key names \/opt\/kata/);
    assert.match(problems.join('\n'), /containerd-shim-kata-v2: not executable/);
    host.remove();
    rmSync(folder, { recursive: true });
  });
});
