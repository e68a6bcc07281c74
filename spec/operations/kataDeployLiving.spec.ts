import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { HostView } from '../../cli/host/index.ts';
import { refuseLiving, refuseMounted, refuseRunningFrom } from '../../cli/operations/adopt/kataDeploy/living.ts';
import { type EngineTree, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';

const status = (uid: number) => `Name:\texe\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`;
const pod = { podName: 'kata-deploy-x7k2p', podNamespace: 'kube-system', ready: true };

describe('a kata-deploy that lives', () => {
  const treeOf = treesOfSpec();

  /** A host that runs, whose processes are files of a tree. */
  async function running(processes: Record<string, [program: string, uid: number]>): Promise<{ tree: EngineTree; host: HostView }> {
    const tree = await treeOf({ '/proc/version': '' });
    for (const [pid, [program, uid]] of Object.entries(processes)) {
      await tree.write(`/proc/${pid}/status`, status(uid));
      symlinkSync(program, join(tree.root, 'proc', pid, 'exe'));
    }
    return { tree, host: { ...tree.host, live: true, booted: true } };
  }

  it('is refused by its process, whatever that calls itself, and by its pod', async () => {
    const { host } = await running({ 17: ['/usr/bin/kata-deploy', 0] });
    const { host: other } = await running({ 17: ['/usr/bin/sleep', 0] });

    const found = [
      await refusalOf(refuseLiving(host, [])),
      await refusalOf(refuseLiving(other, [pod])),
      await refusalOf(refuseLiving(other, [{ ...pod, podName: 'site-kata-deploy-kx2lp' }])),
    ];

    assert.deepEqual(found, ['kata-deploy-runs', 'kata-deploy-runs', 'kata-deploy-runs']);
  });

  it('is not seen in a process of another user, in a pod that ended, and in names that only look so', async () => {
    const { host } = await running({ 17: ['/usr/bin/kata-deploy', 1000], 18: ['/usr/bin/kata-deploy-tool', 0] });

    await refuseLiving(host, [
      { ...pod, ready: false },
      { ...pod, podName: 'mykata-deployer' },
    ]);
  });

  it('keeps its release while a program of it runs, but for its snapshotter', async () => {
    const { host } = await running({ 5: ['/opt/kata/nydus-for-kata-tee/containerd-nydus-grpc', 0] });
    const { host: used } = await running({ 6: ['/opt/kata/bin/containerd-shim-kata-v2', 0] });

    const found = [
      await refusalOf(refuseRunningFrom(host, { destinations: ['/opt/kata'] })),
      await refusalOf(refuseRunningFrom(used, { destinations: ['/opt/kata'] })),
      await refusalOf(refuseRunningFrom(used, { destinations: ['/opt/kata-blue'] })),
    ];

    assert.deepEqual(found, ['no error', 'handler-in-use', 'no error']);
  });

  it('keeps a folder on or below which something is mounted', async () => {
    const { tree, host } = await running({});
    mkdirSync(join(tree.root, 'var/lib/nydus-for-kata-tee'), { recursive: true });
    await tree.write(
      '/proc/self/mountinfo',
      '1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / /var/lib/nydus-for-kata-tee/mnt rw - fuse nydus rw\n',
    );

    const found = [
      await refusalOf(refuseMounted(host, { trees: ['/opt/kata'] })),
      await refusalOf(refuseMounted(host, { trees: ['/var/lib/nydus-for-kata-tee'] })),
    ];

    assert.deepEqual(found, ['no error', 'adopt-unproven']);
  });
});
