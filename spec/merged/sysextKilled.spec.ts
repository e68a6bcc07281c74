import assert from 'node:assert/strict';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { handlersOf, kataSysext, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { merged, print, shimDigest, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';
import { stopped } from '../support/live/unitWork.ts';

const handler = 'kata-qemu-runtime-rs';

describe('backend sysext, interrupted and failing', function () {
  this.timeout(900_000);
  const points = ['step/refresh/before', 'step/refresh/journalled', 'step/refresh/after', 'commit/before'];
  let live: Live;

  whereAvailable('trixie', async () => {
    live = await liveHost({ suite: 'trixie' });
  });
  stopAfter(() => live);

  for (const point of points) {
    it(`SIGKILL at ${point} of a first install: recover leaves the host as it was`, async () => {
      const before = await print(live);

      await live.kata(['install', live.bundle(live.first), '--backend', 'sysext'], { KATA_SYSEXT_FAILPOINT: `${point}=kill` });
      await live.json(['recover']);
      await live.json(['uninstall', '--purge']);

      assert.deepEqual(differences(before, await print(live)), []);
      assert.deepEqual(await handlersOf(live), ['runc']);
    });
  }

  it('SIGKILL around the refresh of an upgrade and while it is undone: recover brings the old payload back', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'sysext']);
    const runs = await runsOf(live);

    for (const wish of [
      'step/refresh/journalled=kill',
      'step/refresh/after=kill',
      'step/refresh/after=error,undo/refresh/after=kill',
      'step/refresh/after=error,undo/merged/before=kill',
    ]) {
      await live.kata(['install', live.bundle(live.second)], { KATA_SYSEXT_FAILPOINT: wish });
      await live.json(['recover']);

      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)], wish);
      assert.equal((await live.json(['status']))['active'], 1, wish);
      assert.deepEqual((await live.json(['verify']))['drift'], [], wish);
    }
    assert.deepEqual(await runsOf(live), runs);
  });

  it('a broken image that appears between check and refresh makes the refresh fail, and everything is put back', async () => {
    const before = await print(live);
    const child = live.host.spawn([kataSysext, 'install', live.bundle(live.second), '--json', '--progress', 'none'], {
      env: { KATA_SYSEXT_FAILPOINT: 'step/refresh/journalled=pause' },
    });
    let out = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    const pid = await stopped(live);
    await live.host.sh(`mkdir -p /run/extensions; truncate -s 1M /run/extensions/broken.raw; kill -CONT ${pid}`);

    const status = await closed;

    assert.equal(status, 1, out);
    assert.equal((JSON.parse(out) as { code: string }).code, 'sysext-refresh-failed');
    await live.host.sh('rm -r /run/extensions');
    assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
    const story = (line: string) => !/kata-sysext\/(history|lock)/.test(line);
    assert.deepEqual(differences(before.filter(story), (await print(live)).filter(story)), []);
    await live.json(['install', live.bundle(live.second)]);
    assert.deepEqual(await shimSeen(live), [shimDigest(live.second), shimDigest(live.second)]);
  });

  it('SIGKILL around the refresh of an uninstall: recover brings the generation back, and the next uninstall succeeds', async () => {
    for (const wish of ['step/refresh/journalled=kill', 'step/refresh/after=kill']) {
      await live.kata(['uninstall', '--purge'], { KATA_SYSEXT_FAILPOINT: wish });
      await live.json(['recover']);

      assert.deepEqual(await shimSeen(live), [shimDigest(live.second), shimDigest(live.second)], wish);
      assert.deepEqual(await handlersOf(live), [handler, 'runc'], wish);
    }
    await live.json(['uninstall', '--purge']);
    assert.match(await merged(live), /inactive$/);
  });
});
