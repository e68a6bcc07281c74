import assert from 'node:assert/strict';
import { waitForCri } from '../lab/pods.ts';
import { stopAfter } from '../support/endings.ts';
import { inPod, silent, wouldRelabel } from '../support/enforcing.ts';
import { handlersOf } from '../support/liveHost.ts';
import { type LiveVm, liveVm } from '../support/liveVm.ts';
import { sample } from '../support/sample.ts';

const handler = 'kata-qemu-runtime-rs';

// All three with `npm run test:all`.
for (const backend of sample(['prefix', 'sysext', 'overlay'], 1, 'enforcing')) {
  describe(`a whole round under SELinux enforcing, backend ${backend}`, function () {
    this.timeout(1_200_000);
    let live: LiveVm;
    let unlike: string[];
    let policy: string;
    let files: string;

    before(async () => {
      live = await liveVm();
      await inPod(live, '', 'warm');
      unlike = await wouldRelabel(live);
      policy = await policyOf(live);
      files = await filesOf(live);
    });
    stopAfter(() => live);

    it('is ready, and installs, though the clock jumps meanwhile: a pod runs through the handler, confined', async () => {
      const checked = await silent(live, () => live.json(['check']));
      await live.host.sh("(sleep 5; date -s '+400 days'; sleep 7; date -s '-400 days') > /run/jumped 2>&1 < /dev/null &");
      const change = await silent(live, () => live.json(['install', live.bundle(live.first), '--backend', backend]));

      assert.equal(checked['ready'], true);
      assert.equal(change['to'], 1);
      assert.equal(
        (await live.host.sh('until [ $(wc -l < /run/jumped) = 2 ]; do sleep 0.5; done; cat /run/jumped')).stdout.split('\n').length,
        3,
      );
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      assert.match(await inPod(live, handler, 'first'), /:container_t:/);
    });

    it('leaves nothing that restorecon would label otherwise, and nothing is lost to one that labels all', async () => {
      const wrong = (await wouldRelabel(live)).filter((line) => !unlike.includes(line));
      await live.host.sh('restorecon -RF /usr /etc /var /usr/local >/dev/null 2>&1 || true', { timeoutMs: 1_200_000 });

      const verified = await silent(live, () => live.json(['verify']));

      assert.deepEqual(wrong, []);
      assert.deepEqual(verified['drift'], []);
      assert.match(await inPod(live, handler, 'relabelled'), /:container_t:/);
    });

    if (backend === 'prefix') {
      it('upgrades and rolls back', async () => {
        await silent(live, () => live.json(['install', live.bundle(live.second)]));
        assert.match(await inPod(live, handler, 'second'), /:container_t:/);
        await silent(live, () => live.json(['rollback']));

        assert.match(await inPod(live, handler, 'back'), /:container_t:/);
        assert.deepEqual(
          (await wouldRelabel(live)).filter((line) => !unlike.includes(line)),
          [],
        );
      });
    } else {
      it('is there after a boot, without a denial of ours from the kernel’s first moment on', async () => {
        await silent(live, () => live.host.reboot());
        await waitForCri(live.host, undefined, 120_000);

        assert.deepEqual(await handlersOf(live), [handler, 'runc']);
        assert.match(await inPod(live, handler, 'booted'), /:container_t:/);
      });
    }

    it('uninstalls: no handler, no file of ours, the policy untouched, still enforcing', async () => {
      await silent(live, () => live.json(['uninstall', '--purge']));

      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.match(await inPod(live, '', 'runc'), /:container_t:/);
      assert.equal(await policyOf(live), policy);
      assert.equal(await filesOf(live), files);
    });
  });
}

/** The mode, the booleans and each file of the policy, by time. */
async function policyOf({ host }: LiveVm): Promise<string> {
  return (await host.sh("getenforce; getsebool -a; find /etc/selinux -type f -printf '%p %T@ %i\\n' | sort")).stdout;
}

/** All paths with modes and labels where we write, what the engine and the system write left out. */
async function filesOf({ host }: LiveVm): Promise<string> {
  const { stdout } = await host.sh(
    "find /etc /var/usrlocal /var/lib /var/opt -path /var/lib/containerd -prune -o -path /var/lib/systemd -prune -o -printf '%p %y %m %Z %l\\n' | sort",
  );
  return stdout;
}
