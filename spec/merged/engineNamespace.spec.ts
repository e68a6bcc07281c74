import assert from 'node:assert/strict';
import { removePod, runPod } from '../lab/pods.ts';
import { stopAfter } from '../support/endings.ts';
import { containerd, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { merged, shimDigest, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';

const handler = 'kata-qemu-runtime-rs';

/** What PID 1 merges does not reach an engine whose mounts are its own: what systemd says is no proof. */
describe('backend sysext under an engine with a mount namespace of its own', function () {
  this.timeout(900_000);
  let live: Live;

  whereAvailable('trixie', async () => {
    live = await liveHost({
      suite: 'trixie',
      files: { [`/etc/systemd/system/${containerd}.d/own-mounts.conf`]: '[Service]\nMountFlags=private\n' },
    });
  });
  stopAfter(() => live);

  it('a first install reaches it, because it is restarted after the merge', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'sysext']);

    assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
  });

  it('an upgrade that only PID 1 would see is undone, and says who does not see it', async () => {
    const runs = await runsOf(live);

    const failed = await live.json(['install', live.bundle(live.second)], 1);

    assert.equal(failed['code'], 'gate-failed');
    assert.match(String(failed['found']), /process \d+ .*usr\/share\/kata/);
    assert.match(String(failed['next']), /use --backend prefix, .*systemctl show containerd\.service -p PrivateMounts/);
    assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
    assert.match(await merged(live), /"\/usr","extensions":\["kata"\].*active$/);
    assert.deepEqual(await runsOf(live), runs);
    assert.equal((await live.json(['status']))['active'], 1);
    await removePod(live.host, await runPod(live.host, handler, 'still'));
  });

  it('--backend prefix, as the message says, gets it there', async () => {
    await live.json(['install', live.bundle(live.second), '--backend', 'prefix']);

    await removePod(live.host, await runPod(live.host, handler, 'prefix'));
    assert.match(await merged(live), /inactive$/);
    await live.json(['uninstall', '--purge']);
  });
});
