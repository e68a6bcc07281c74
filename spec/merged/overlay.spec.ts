import assert from 'node:assert/strict';
import { once } from 'node:events';
import { execIn, podOutput, removePod, runPod, startContainer, waitForCri } from '../lab/pods.ts';
import { shimsOf } from '../lab/shims.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { verifyUnit } from '../support/judges/generated.ts';
import { containerd, dependent, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { beforeEngine, diskPrint, overlays, unit, usrSeen } from '../support/live/overlayHost.ts';
import { shimDigest, shimPath, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';
import { suitesOf } from '../support/plan.ts';

const handler = 'kata-qemu-runtime-rs';
const ours = ['overlay kata-sysext'];

for (const suite of suitesOf('overlay')) {
  describe(`backend overlay on a live ${suite} host`, function () {
    /** bookworm's systemd is 252; the moves to sysext and back need this there. */
    const allow = suite === 'bookworm' ? ['--allow', 'sysext-systemd-old'] : [];
    this.timeout(900_000);
    let live: Live;
    let before: string[];
    let usr: string[];
    let runs: Record<string, string>;

    whereAvailable(suite, async () => {
      live = await liveHost({ suite });
      await removePod(live.host, await runPod(live.host, '', 'warm'));
      before = diskPrint(live);
      usr = usrSeen(live);
    });
    stopAfter(() => live);

    it('fits, the plan names the unit and the mount without changing a byte, and auto never takes it', async () => {
      const checked = await live.json(['check', '--backend', 'overlay']);
      const automatic = await live.json(['check']);
      const { stdout } = await live.kata(['install', live.bundle(live.first), '--backend', 'overlay', '--dry-run']);

      assert.equal(checked['backend'], 'overlay');
      assert.deepEqual(
        (checked['findings'] as { code: string }[]).map(({ code }) => code).filter((code) => code.startsWith('overlay')),
        [],
      );
      assert.notEqual(automatic['backend'], 'overlay');
      assert.match(stdout, new RegExp(`create /etc/systemd/system/${unit}`));
      assert.match(stdout, /mount that over \/usr, read-only/);
      assert.deepEqual(differences(before, diskPrint(live)), []);
    });

    it('installs: one overlay, PID 1 and the engine see the shim, and nothing else of /usr looks different', async () => {
      const change = await live.json(['install', live.bundle(live.first), '--backend', 'overlay']);

      runs = await runsOf(live);
      assert.deepEqual(change['restarted'], [containerd]);
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      assert.deepEqual(overlays(live), ours);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.deepEqual(differences(usr, usrSeen(live)), []);
      assert.equal((await live.host.run(['sh', '-c', 'touch /usr/x'], { allowFailure: true })).code, 1);
      assert.match(
        (await live.host.run(['grep', '-rh', 'runtime_path', '/etc/containerd'])).stdout,
        new RegExp(`runtime_path = "${shimPath}"`),
      );
      assert.equal((await live.host.run(['systemctl', 'is-enabled', unit])).stdout.trim(), 'enabled');
      assert.deepEqual(await live.host.run([...verifyUnit, unit], { allowFailure: true }), { code: 0, stdout: '', stderr: '' });
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('installs nothing twice', async () => {
      const change = await live.json(['install', live.bundle(live.first)]);

      assert.equal(change['changed'], false);
      assert.deepEqual(await runsOf(live), runs);
      assert.deepEqual(overlays(live), ours);
    });

    it('upgrades and rolls back under a running pod without a restart, and never stacks one overlay on another', async () => {
      const running = await runPod(live.host, handler, 'stays');
      const container = await startContainer(live.host, running, 'sleep 600', 'main');

      const up = await live.json(['install', live.bundle(live.second)]);
      const stacked = overlays(live);
      const second = await runPod(live.host, handler, 'second');
      const printed = await podOutput(live.host, second, 'echo from the second');
      const shims = (await shimsOf(live.host)).map((shim) => shim.sha256);
      await live.json(['gc', '--keep', '0']);
      const back = await live.json(['rollback']);
      const third = await runPod(live.host, handler, 'third');

      assert.deepEqual([up['restarted'], back['restarted']], [[], []]);
      assert.deepEqual([stacked, overlays(live)], [ours, ours]);
      assert.deepEqual(await runsOf(live), runs);
      assert.match(printed, /from the second/);
      assert.deepEqual(
        [shimDigest(live.first), shimDigest(live.second)].map((digest) => shims.filter((shim) => shim === digest).length),
        [1, 1],
      );
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.match(await execIn(live.host, container, ['echo', 'still here']), /still here/);
      assert.equal((await live.json(['install', live.bundle(live.first), '--backend', 'prefix'], 3))['code'], 'handler-in-use');
      for (const pod of [running, second, third]) await removePod(live.host, pod);
    });

    it('is there again after a boot, before the engine; and with the program deleted', async () => {
      await live.host.reboot();
      await waitForCri(live.host);
      const first = { overlays: overlays(live), early: await beforeEngine(live), seen: await shimSeen(live) };
      await removePod(live.host, await runPod(live.host, handler, 'booted'));
      await live.host.sh('mv /var/lib/kata-sysext/bin /var/lib/kata-sysext/gone');
      await live.host.reboot({ crash: true });
      await waitForCri(live.host);
      const second = { overlays: overlays(live), early: await beforeEngine(live), seen: await shimSeen(live) };
      const pod = await runPod(live.host, handler, 'alone');
      await removePod(live.host, pod);
      await live.host.sh('mv /var/lib/kata-sysext/gone /var/lib/kata-sysext/bin');

      const wanted = { overlays: ours, early: true, seen: [shimDigest(live.first), shimDigest(live.first)] };
      assert.deepEqual([first, second], [wanted, wanted]);
      assert.equal((await live.host.run(['systemctl', '--failed', '--no-legend'])).stdout, '');
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('moves between all three backends, each as one change', async () => {
      const seen: unknown[] = [];
      for (const backend of ['sysext', 'overlay', 'prefix', 'overlay']) {
        const change = await live.json(['install', live.bundle(live.first), '--backend', backend, ...allow]);
        const pod = await runPod(live.host, handler, backend);
        await removePod(live.host, pod);
        seen.push([backend, overlays(live), change['restarted'], (await live.json(['verify']))['drift']]);
      }

      assert.deepEqual(seen, [
        ['sysext', ['overlay sysext'], [], []],
        ['overlay', ours, [], []],
        ['prefix', [], [containerd], []],
        ['overlay', ours, [containerd], []],
      ]);
      const back = await live.json(['rollback', ...allow]);
      assert.deepEqual([back['restarted'], overlays(live)], [[containerd], []]);
      await live.json(['rollback', ...allow]);
      assert.deepEqual(overlays(live), ours);
    });

    it('verify tells when somebody unmounted it or removed the unit, and an install of the same bundle mends it', async () => {
      const was = await runsOf(live);
      await live.host.run(['systemctl', 'stop', unit]);
      const stopped = JSON.stringify(await live.json(['verify'], 1));
      await live.json(['install', live.bundle(live.first)]);
      await live.host.sh(`rm /etc/systemd/system/${unit} /etc/systemd/system/sysinit.target.wants/${unit}; systemctl daemon-reload`);
      const removed = JSON.stringify(await live.json(['verify'], 1));
      const mended = await live.json(['install', live.bundle(live.first)]);

      assert.match(stopped, /PID 1 has no payload of kata-sysext mounted/);
      assert.match(removed, /nothing starts kata-sysext-overlay\.service at boot/);
      assert.deepEqual([mended['changed'], mended['restarted'], overlays(live)], [true, [], ours]);
      assert.deepEqual((await live.json(['verify']))['drift'], []);
      assert.deepEqual(await runsOf(live), was);
    });

    it('a damaged payload is put in place anew and seen by all', async () => {
      const was = await runsOf(live);
      const layer = (await live.host.run(['readlink', '/etc/kata-sysext/overlay'])).stdout.trim();
      await live.host.sh(`echo damaged >> ${layer.slice(0, -'/usr'.length)}${shimPath}`);

      const mended = await live.json(['install', live.bundle(live.first)]);

      assert.deepEqual([mended['changed'], mended['restarted'], overlays(live)], [true, [], ours]);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.deepEqual(await runsOf(live), was);
    });

    it('what somebody mounted below /usr since is never taken away: a change is refused, and the unit does not stop', async () => {
      await live.host.sh('mount -t tmpfs theirs /usr/share/doc; touch /usr/share/doc/theirs');

      const refused = await live.json(['uninstall'], 3);
      const stopped = await live.host.sh(`systemctl stop ${unit}; systemctl is-active ${unit}`, { allowFailure: true });
      const there = await live.host.sh('ls /usr/share/doc; umount /usr/share/doc');

      assert.equal(refused['code'], 'overlay-nested-mounts');
      assert.match(stopped.stdout, /failed/);
      assert.equal(there.stdout, 'theirs\n');
      assert.deepEqual(overlays(live), ours);
      await live.host.sh(`systemctl restart ${unit}`);
      assert.deepEqual([overlays(live), (await live.json(['verify']))['drift']], [ours, []]);
    });

    it('uninstalls while /usr is busy: every byte, mode, owner and xattr as before, nothing mounted, the unit gone', async () => {
      const busy = live.host.spawn(['/bin/sh', '-c', 'cd /usr/share/kata && echo busy && exec sleep 600']);
      await once(busy.stdout!, 'data');
      // Somebody removed the unit: it must still be possible to take the mount away.
      if (suite === 'trixie') await live.host.sh(`rm /etc/systemd/system/${unit}; systemctl daemon-reload`);

      const change = await live.json(['uninstall', '--purge']);

      busy.kill();
      assert.deepEqual(change['restarted'], [containerd]);
      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.match((await runsOf(live))[dependent]!, /ActiveState=active/);
      assert.deepEqual(differences(before, diskPrint(live)), []);
      assert.deepEqual(differences(usr, usrSeen(live)), []);
      assert.notEqual((await live.host.run(['systemctl', 'is-active', unit], { allowFailure: true })).stdout.trim(), 'active');
    });
  });
}
