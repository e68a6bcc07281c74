import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readlinkSync } from 'node:fs';
import { backendOf } from '../../cli/backends/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { activeGeneration } from '../../cli/store/index.ts';
import { endAfter } from '../support/endings.ts';
import { needs } from '../support/needs.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const pointer = '/etc/kata-sysext/current';

for (const name of ['prefix', 'baked']) {
  describe(`what processes see of a generation of backend ${name}`, function () {
    this.timeout(120_000);
    let tree: TreeHost;
    let running: ChildProcess[];
    before(async function () {
      needs(this, 'root');
      tree = treeHost('fcos');
      await tree.json(['install', (await releases()).first, '--backend', name]);
    });
    endAfter(
      () => tree,
      (made) => made.remove(),
    );
    beforeEach(() => {
      running = [];
    });
    afterEach(() => {
      for (const process of running) process.kill('SIGKILL');
    });

    /** A process with mounts of its own, made by a script that gets paths of the tree. */
    async function engine(script: string, ...paths: string[]): Promise<number> {
      const text = `set -e; ${script}; echo ready; exec sleep 600`;
      const child = spawn('unshare', ['--mount', '--propagation', 'private', '/bin/sh', '-c', text, 'sh', ...paths]);
      running.push(child);
      await once(child.stdout, 'data');
      return child.pid!;
    }
    async function unseen(...pids: number[]): Promise<string[]> {
      const host = { ...openHost(tree.root, {}), booted: true };
      const generation = await activeGeneration(host);
      return backendOf(name).verifyVisible(host, generation!.manifest, [process.pid, ...pids]);
    }
    const payload = async () => tree.path((await openHost(tree.root, {}).realpath(`${pointer}/payload`)).slice(1));
    const configuration = async () => {
      const config = await openHost(tree.root, {}).realpath(`${pointer}/config`);
      return tree.path(`${config.slice(1)}/kata-qemu-runtime-rs/configuration.toml`);
    };

    it('all files, through links that begin at the root of the process', async () => {
      assert.match(readlinkSync(tree.path(pointer.slice(1))), /^\//);
      assert.deepEqual(await unseen(await engine(':')), []);
    });

    it('no shim, where a mount of the process hides the payload', async () => {
      const pid = await engine('mount -t tmpfs none "$1"', await payload());

      const found = await unseen(pid);

      assert.ok(found.length > 0);
      for (const each of found)
        assert.match(each, new RegExp(`^process ${pid} does not see ${pointer}/payload/.*containerd-shim-kata-v2$`));
    });

    it('neither shim nor configuration, where it has no /etc/kata-sysext', async () => {
      const pid = await engine('mount -t tmpfs none "$1"', tree.path('etc/kata-sysext'));

      assert.match((await unseen(pid)).join('\n'), new RegExp(`${pointer}/payload/[\\s\\S]*${pointer}/config/.*/configuration\\.toml`));
    });

    it('another configuration, where a mount of the process shows one', async () => {
      put(tree.root, 'other.toml', '[hypervisor.qemu]\n');
      const pid = await engine('mount --bind "$1" "$2"', tree.path('other.toml'), await configuration());

      const found = await unseen(pid);

      assert.deepEqual(found, [`process ${pid} sees other bytes at ${pointer}/config/kata-qemu-runtime-rs/configuration.toml`]);
    });

    it('nothing is said of a process that has ended, nor of a configuration that was edited on the host', async () => {
      const pid = await engine(':');
      running[0]!.kill('SIGKILL');
      await once(running[0]!, 'exit');
      appendFileSync(await configuration(), '# edited\n');

      assert.deepEqual(await unseen(pid, await engine(':')), []);
    });
  });
}
