import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { nodeadmAvailable, nodeadmBinds, nodeadmFiles, USER_DATA, userData } from '../lab/nodeadm.ts';
import { podRuns, waitForCri } from '../lab/pods.ts';
import { type Suite, suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { containerd, etcOf, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { guardEnded } from '../support/live/unitWork.ts';
import { run as runProgram } from '../support/program.ts';
import { singleFile } from '../support/singleFile.ts';

const folder = '/etc/eks/nodeadm.d';
const wiring = `${folder}/90-kata-sysext.yaml`;
const run = 'nodeadm-run.service';
const blessed = 'etc/systemd/system/kata-sysext-recover.service.d/50-blessed.conf';
const kubelet = 'kubelet.service';

/** A node as an AMI makes it: nodeadm is a stand-in, which starts the real containerd. */
async function eksNode(context: Mocha.Context, suite: Suite, schema: 2 | 3): Promise<Live> {
  context.timeout(1_800_000);
  for (const available of [await suiteAvailable(suite), await nodeadmAvailable()]) {
    if (available.ok) continue;
    console.log(`      ${available.why}`);
    context.skip();
  }
  const live = await liveHost({ suite, containerdConfig: '', files: nodeadmFiles(suite, schema), binds: await nodeadmBinds() });
  await live.host.sh(`systemctl disable ${containerd}; containerd --version > /etc/eks/containerd-version.txt`);
  return live;
}

/** Kata's handlers, runc and what a user's own settings need: without those no pod of the lab runs. */
async function serves(live: Live, handlers: string[], name: string): Promise<void> {
  assert.deepEqual(await handlersOf(live), [...handlers, 'runc']);
  await podRuns(live.host, '', name);
}

const hosts: { suite: Suite; schema: 2 | 3; other: 2 | 3 }[] = [
  { suite: 'trixie', schema: 2, other: 2 },
  { suite: 'forky', schema: 3, other: 2 },
];
const installed = ['kata-qemu-runtime-rs'];

for (const { suite, schema, other } of hosts) {
  describe(`EKS nodeadm (a stand-in) on a live ${suite} host`, function () {
    this.timeout(900_000);
    let live: Live;
    let untouched: string[];

    before(async function () {
      live = await eksNode(this, suite, schema);
      await live.host.reboot();
      await waitForCri(live.host);
      untouched = etcOf(live);
    });
    stopAfter(() => live);

    it('the plan says who renders and what restarts; installed live, handlers are there and runc pods run', async () => {
      const runs = await runsOf(live, [containerd, kubelet]);
      const plan = await live.json(['install', live.bundle(live.first), '--dry-run']);

      await live.json(['install', live.bundle(live.first)]);

      const now = await runsOf(live, [containerd, kubelet]);
      assert.deepEqual(plan['restarts'], [run, containerd]);
      assert.match(JSON.stringify(plan['rendered']), /at each boot .*which restarts containerd and kubelet/);
      assert.ok([containerd, kubelet].every((unit) => now[unit] !== runs[unit]));
      await serves(live, installed, 'installed');
    });

    it('the renderer runs again, and the host boots: handlers stay, and the boot is confirmed', async () => {
      await live.host.run(['systemctl', 'restart', run]);
      await waitForCri(live.host);
      await serves(live, installed, 'rendered');
      await live.host.reboot();
      await waitForCri(live.host);

      await guardEnded(live);

      await serves(live, installed, 'booted');
      assert.ok(existsSync(join(live.host.root, blessed)));
    });

    it('an upgrade and a rollback restart nothing, whatever version nodeadm has', async () => {
      await live.host.sh(`echo 'NODEADM_EFFECT=start' > /etc/lab/nodeadm.env; echo 'NODEADM_KUBELET=v1.30.0' >> /etc/lab/nodeadm.env`);
      await live.host.reboot();
      await waitForCri(live.host);
      const runs = await runsOf(live, [containerd, kubelet]);
      await live.json(['install', live.bundle(live.second)]);
      await serves(live, installed, 'upgraded');

      await live.json(['rollback']);

      assert.deepEqual(await runsOf(live, [containerd, kubelet]), runs);
      await serves(live, installed, 'back');
    });

    if (schema !== other)
      it('user data of the other schema comes: the boot guard writes the handlers in it before nodeadm renders', async () => {
        await live.host.sh(`cat > ${USER_DATA}`, { input: userData(suite, other) });
        await live.host.reboot();
        await waitForCri(live.host);

        await guardEnded(live);

        await serves(live, installed, 'flipped');
        assert.match((await live.host.run(['cat', wiring])).stdout, /io\.containerd\.grpc\.v1\.cri/);
      });

    it('uninstalled with a nodeadm that only starts its engine: the file is gone, the folder stays, nothing else differs', async () => {
      await live.json(['uninstall', '--purge']);

      await serves(live, [], 'uninstalled');
      const [there] = [await live.host.run(['ls', folder])];
      assert.equal(there.stdout, '10-limits.yaml\nREADME\n');
      assert.deepEqual(
        differences(untouched, etcOf(live)).filter((line) => !/containerd\/|etc\/lab/.test(line)),
        [],
      );
    });

    it('a tree is installed and restarts nothing; its first boot has the handlers', async () => {
      let restarted: unknown;
      await live.host.reboot({
        between: async () => {
          const ran = await runProgram(['install', live.first.static, '--root', live.host.root, '--json'], { file: await singleFile() });
          assert.equal(ran.status, 0, ran.stderr);
          restarted = JSON.parse(ran.stdout)['restarted'];
        },
      });
      await waitForCri(live.host);

      await guardEnded(live);

      assert.deepEqual(restarted, []);
      await serves(live, installed, 'first');
    });
  });
}
