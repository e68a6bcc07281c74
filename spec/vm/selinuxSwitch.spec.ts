import assert from 'node:assert/strict';
import { podOutput, removePod, runPod, waitForCri } from '../lab/pods.ts';
import { stopAfter } from '../support/endings.ts';
import { type LiveVm, liveVm } from '../support/vm/liveVm.ts';
import { confinedPod, machineGoods, withMachines } from '../support/vm/machines.ts';

const handler = 'kata-qemu-runtime-rs';
const config = '/etc/containerd/config.toml';

interface Seen {
  engine: { setsLabels?: boolean };
  findings: { code: string }[];
}

describe('the engine’s SELinux switch where the kernel enforces', function () {
  this.timeout(1_800_000);
  let live: LiveVm;
  let before_: string;

  before(async () => {
    live = await liveVm({ goods: await machineGoods() });
    await withMachines(live);
    await live.host.sh(`sed -i 's/enable_selinux = true/enable_selinux = false/' ${config}; systemctl restart containerd`);
    await waitForCri(live.host);
    before_ = await textOf();
  });
  stopAfter(() => live);

  const textOf = async () => (await live.host.sh(`cat ${config}`)).stdout;

  async function checked(): Promise<Seen> {
    return JSON.parse((await live.kata(['check', '--json'])).stdout) as Seen;
  }

  /** What an ordinary container says of itself. */
  async function ordinary(name: string): Promise<string> {
    const pod = await runPod(live.host, '', name);
    const label = await podOutput(live.host, pod, 'cat /proc/self/attr/current');
    await removePod(live.host, pod);
    return label;
  }

  it('is off: check says so, and a container has the engine’s domain', async () => {
    const seen = await checked();

    assert.equal(seen.engine.setsLabels, false);
    assert.ok(seen.findings.some(({ code }) => code === 'engine-sets-no-labels'));
    assert.doesNotMatch(await ordinary('before'), /:container_t:/);
  });

  it('is turned on by --allow: pods of the handler and others are confined from then on', async () => {
    const install = ['install', live.bundle(live.first), '--backend', 'prefix', '--allow', 'engine-selinux'];
    const change = (await live.json(install)) as unknown as Seen;
    const after = await checked();

    assert.ok(change.findings.some(({ code }) => code === 'engine-selinux'));
    assert.match(await textOf(), /^ *enable_selinux = true # turned on by kata-sysext .*; before: enable_selinux = false$/m);
    assert.equal(after.engine.setsLabels, true);
    assert.equal(
      after.findings.some(({ code }) => code === 'engine-sets-no-labels'),
      false,
    );
    await confinedPod(live, handler, 'confined');
    assert.match(await ordinary('after'), /:container_t:/);
  });

  it('goes with the uninstall, byte for byte, and so do the labels', async () => {
    await live.json(['uninstall', '--purge']);

    assert.equal(await textOf(), before_);
    assert.doesNotMatch(await ordinary('gone'), /:container_t:/);
  });
});
