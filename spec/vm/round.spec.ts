import assert from 'node:assert/strict';
import { podOutput, removePod, runPod } from '../lab/pods.ts';
import { summary, unexplained } from '../lab/vm/index.ts';
import { handlersOf } from '../support/liveHost.ts';
import { type LiveVm, liveVm } from '../support/liveVm.ts';

const handler = 'kata-qemu-runtime-rs';
const relabelled = 'restorecon -Rnv /etc /var /usr/local';

for (const backend of ['prefix', 'sysext']) {
  describe(`a whole round under SELinux enforcing, backend ${backend}`, function () {
    this.timeout(900_000);
    let live: LiveVm;
    let unlike: string[];
    let policy: string;

    before(async () => {
      live = await liveVm();
      unlike = await wouldRelabel(live);
      policy = await policyOf(live);
    });
    after(() => live?.host.stop());

    it('is ready', async () => {
      const checked = await silent(live, () => live.json(['check']));

      assert.equal(checked['ready'], true);
    });

    it('installs, and a pod runs through the handler as a confined container', async () => {
      const change = await silent(live, () => live.json(['install', live.bundle(live.first), '--backend', backend]));

      assert.equal(change['to'], 1);
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      assert.match(await inPod(live, 'first'), /:container_t:/);
    });

    it('leaves nothing that restorecon would label otherwise', async () => {
      assert.deepEqual(
        (await wouldRelabel(live)).filter((line) => !unlike.includes(line)),
        [],
      );
    });

    it('upgrades and rolls back, and a pod of the default runtime runs still', async () => {
      await silent(live, () => live.json(['install', live.bundle(live.second)]));
      await silent(live, () => live.json(['rollback']));

      const verified = await silent(live, () => live.json(['verify']));

      assert.equal(verified['generation'], 1);
      assert.match(await inPod(live, 'again'), /:container_t:/);
      const pod = await runPod(live.host, '', 'runc');
      await removePod(live.host, pod);
      assert.deepEqual(
        (await wouldRelabel(live)).filter((line) => !unlike.includes(line)),
        [],
      );
    });

    it('survives a relabel of all that a host relabels: nothing has drifted, and pods run', async () => {
      await silent(live, () => live.host.sh('restorecon -RF /usr /etc /var /usr/local 2>/dev/null || true', { timeoutMs: 600_000 }));

      const verified = await silent(live, () => live.json(['verify']));

      assert.equal(verified['generation'], 1);
      assert.match(await inPod(live, 'relabelled'), /:container_t:/);
    });

    it('uninstalls: the handler is gone, nothing below /etc/selinux was touched, still enforcing', async () => {
      await silent(live, () => live.json(['uninstall', '--purge']));

      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.equal(await policyOf(live), policy);
    });
  });
}

/** Runs a step and asserts that no denial came of it but those of any host. */
async function silent<T>(live: LiveVm, work: () => Promise<T>): Promise<T> {
  const since = await live.host.cursor();
  const result = await work();
  assert.deepEqual(summary(unexplained(await live.host.denials(since))), []);
  return result;
}

async function inPod(live: LiveVm, name: string): Promise<string> {
  return await silent(live, async () => {
    const pod = await runPod(live.host, handler, name);
    const said = await podOutput(live.host, pod, 'cat /proc/self/attr/current');
    await removePod(live.host, pod);
    return said;
  });
}

async function wouldRelabel({ host }: LiveVm): Promise<string[]> {
  const { stdout } = await host.sh(`${relabelled} 2>&1 || true`, { timeoutMs: 300_000 });
  return stdout.split('\n').filter((line) => line.startsWith('Would relabel') && !line.includes(' /var/lib/containerd/'));
}

/** The mode, the booleans and each file of the policy, by content and time. */
async function policyOf({ host }: LiveVm): Promise<string> {
  return (await host.sh("getenforce; getsebool -a; find /etc/selinux -type f -printf '%p %T@ %i\\n' | sort")).stdout;
}
