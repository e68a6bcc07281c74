import assert from 'node:assert/strict';
import { stopAfter } from '../support/endings.ts';
import type { Pod } from '../support/live/podHost.ts';
import { inPod, silent } from '../support/vm/enforcing.ts';
import { type LiveVm, liveVm } from '../support/vm/liveVm.ts';
import { machineGoods, withMachines, withPodNetwork } from '../support/vm/machines.ts';

/**
 * The host of this tier alone has cgroup v2 with the controller for memory. QEMU runs there without KVM: what is counted is the same, and a
 * guest of an emulated processor's own KVM takes minutes.
 */
describe('a pod as proof on a host that counts memory', function () {
  this.timeout(1_800_000);
  let live: LiveVm;

  before(async () => {
    live = await liveVm({ goods: await machineGoods() });
    await withMachines(live, 'tcg');
    await withPodNetwork(live);
    await inPod(live, '', 'warm');
    await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
  });
  stopAfter(() => live);

  it('has the hypervisor in the pod’s cgroup, and says how much memory the kernel counts there', async () => {
    const { pods } = (await silent(live, () => live.json(['verify', '--pod', '--timeout', '600']))) as { pods: Pod[] };

    const { name, cgroup = '', inPodCgroup, memoryBytes = 0 } = pods[0]!.hypervisor!;
    console.log(`      ${name} in ${cgroup}: ${memoryBytes} bytes`);
    assert.deepEqual([pods[0]!.ok, pods[0]!.findings, name, inPodCgroup], [true, [], 'qemu-system-x86_64', true]);
    assert.match(cgroup, /^\/k8s\.io\/kata_[0-9a-f]{64}$/);
    // QEMU has read a kernel and an initramfs at the least.
    assert.equal(memoryBytes > 8_000_000, true);
  });
});
