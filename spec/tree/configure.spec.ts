import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { differences } from '../support/judges/fingerprint.ts';
import { active, handler } from '../support/trees/configured.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const crioFiles = {
  'etc/crio/crio.conf': '[crio.runtime]\ndefault_runtime = "crun"\n[crio.runtime.runtimes.crun]\nruntime_path = "/usr/bin/crun"\n',
};

/** Trees of both engines; the second one has CRI-O besides containerd, and is wired to CRI-O. */
const engines: { title: string; make(): TreeHost }[] = [
  { title: 'containerd', make: () => treeHost('fcos') },
  {
    title: 'CRI-O',
    make: () =>
      treeHost(
        'rhcos',
        (root) => {
          rmSync(join(root, 'etc/containerd'), { recursive: true });
          for (const [path, text] of Object.entries(crioFiles)) put(root, path, text);
        },
        { engine: 'crio@1.34' },
      ),
  },
];

/** Inode, size, mode and both times of every path but the lock: any write shows. */
function inodes(host: TreeHost): string[] {
  const format = '%P|%i|%s|%m|%T@|%C@\\n';
  return execFileSync('find', ['.', '!', '-path', './var/lib/kata-sysext/lock', '-printf', format], { cwd: host.root, encoding: 'utf8' })
    .split('\n')
    .sort();
}

function outside(host: TreeHost): string[] {
  return host.fingerprint(['etc/kata-sysext', 'var/lib/kata-sysext/generations', 'var/usrlocal/libexec/kata-sysext/generations', ...story]);
}

function changedLines(before: string, after: string): string[] {
  const [a, b] = [before.split('\n'), after.split('\n')];
  assert.equal(a.length, b.length);
  return b.filter((line, index) => line !== a[index]);
}

for (const { title, make } of engines) {
  describe(`configure, in a tree of ${title}`, () => {
    let host: TreeHost;
    let first: string;
    let second: string;

    beforeEach(async () => {
      ({ first, second } = await releases());
      host = make();
      await host.json(['install', first]);
    });
    afterEach(() => host.remove());

    it('makes a generation with other values and writes nothing else: no payload, no wiring', async () => {
      const before = { text: active(host), outside: outside(host) };

      const done = await host.json(['configure', '--set', 'default_memory=4096', '--set', 'kernel_params=a=1 b="c"', '--profile', 'debug']);

      assert.deepEqual(
        [done['from'], done['to'], done['changed'], Number(done['bytesWritten']) < 1_000_000, done['restarted']],
        [1, 2, true, true, []],
      );
      assert.deepEqual(changedLines(before.text, active(host)), [
        'kernel_params = "a=1 b=\\"c\\""',
        'default_memory = 4096',
        'enable_debug = true',
        'enable_debug = true',
        'enable_debug = true',
      ]);
      assert.deepEqual(differences(before.outside, outside(host)), []);
      assert.deepEqual((await host.json(['verify']))['drift'], []);
    });

    it('a dry run says which lines change, and writes nothing', async () => {
      const before = inodes(host);

      const plan = await host.json(['configure', '--set', 'default_memory=4096', '--dry-run']);

      const line = active(host).split('\n').indexOf('default_memory = 2048') + 1;
      assert.deepEqual(plan['configurations'], [
        { handler, diff: [`@@ line ${line} [hypervisor.qemu] @@`, '-default_memory = 2048', '+default_memory = 4096'] },
      ]);
      assert.deepEqual([plan['restarts'], Number(plan['bytesWritten']) < 1_000_000, plan['to']], [[], true, 2]);
      assert.deepEqual(
        (plan['steps'] as { kind: string }[]).map(({ kind }) => kind),
        ['pointer'],
      );
      assert.deepEqual(inodes(host), before);
    });

    it('the same again changes nothing, not even a time', async () => {
      const wishes = ['configure', '--set', 'default_memory=4096', '--profile', 'debug', '--profile', 'low-overhead'];
      await host.json(wishes);
      const before = inodes(host);

      const again = await host.json(wishes);
      const plan = await host.json([...wishes, '--dry-run']);
      const shown = await host.json(['configure']);
      const installed = await host.json(['install', first]);
      const both = await host.json(['install', first, ...wishes.slice(1)]);

      assert.deepEqual([again['changed'], again['to'], plan['steps'], installed['changed'], both['changed']], [false, 2, [], false, false]);
      assert.equal(shown['kind'], 'Configuration');
      assert.deepEqual(inodes(host), before);
    });

    it('rollback returns the exact earlier one, and comes back', async () => {
      const one = active(host);
      await host.json(['configure', '--set', 'default_memory=4096']);
      const two = active(host);

      await host.json(['rollback']);
      const back = active(host);
      await host.json(['rollback']);

      assert.equal(back, one);
      assert.equal(active(host), two);
    });

    it('unset and profile none lead back to the bytes of the release', async () => {
      const one = active(host);
      await host.json(['configure', '--set', 'default_memory=4096', '--profile', 'low-overhead']);
      const two = active(host);

      await host.json(['configure', '--unset', 'default_memory']);
      const profile = active(host);
      await host.json(['configure', '--profile', 'none']);

      assert.match(two, /^default_memory = 4096$/m);
      assert.match(profile, /^default_memory = 512$/m);
      assert.equal(active(host), one);
    });

    it('an upgrade keeps what was chosen, and shows it', async () => {
      await host.json(['configure', '--set', 'default_memory=4096', '--profile', 'debug']);

      await host.json(['install', second]);

      const said = toml.parse(active(host)) as { hypervisor: { qemu: Record<string, unknown> } };
      assert.deepEqual([said.hypervisor.qemu['default_memory'], said.hypervisor.qemu['enable_debug']], [4096, true]);
      const status = (await host.json(['status'])) as { generations: { number: number; configured: unknown }[] };
      const chosen = [{ name: handler, profiles: ['debug'], settings: [{ key: 'hypervisor.qemu.default_memory', value: 4096 }] }];
      assert.deepEqual(
        status.generations.map(({ number, configured }) => [number, configured]),
        [
          [1, []],
          [2, chosen],
          [3, chosen],
        ],
      );
      assert.match(
        (await host.run(['status', '-v'])).stdout,
        /kata-qemu-runtime-rs: profile debug; hypervisor\.qemu\.default_memory = 4096/,
      );
      assert.match(
        (await host.run(['diff', '1', '2'])).stdout,
        /\+ kata-qemu-runtime-rs: profile debug; hypervisor\.qemu\.default_memory = 4096/,
      );
    });

    it('uninstall leaves no byte of it', async () => {
      const bare = make();
      await host.json(['configure', '--set', 'default_memory=4096']);

      await host.json(['uninstall', '--purge']);

      assert.deepEqual(differences(bare.fingerprint(), host.fingerprint()), []);
      bare.remove();
    });
  });
}
