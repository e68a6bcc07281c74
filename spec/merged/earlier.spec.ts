import assert from 'node:assert/strict';
import { join } from 'node:path';
import { execIn, removePod, runPod, startContainer } from '../lab/pods.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { containerd, handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';
import { print, shimDigest, shimPath, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';
import { asEarlier } from '../support/trees/earlier.ts';

const handler = 'kata-qemu-runtime-rs';
const unit = '/etc/systemd/system/kata-sysext-overlay.service';
/** What the unit of today wants to be there, and not that of earlier versions. */
const condition = '/lib/extension-release.d';
const units = { sysext: 'systemd-sysext.service', overlay: 'kata-sysext-overlay.service' };

for (const backend of ['sysext', 'overlay'] as const) {
  describe(`backend ${backend}, a live host on which an earlier version showed the release in /usr/libexec/kata`, function () {
    this.timeout(900_000);
    let live: Live;
    let before: string[];

    whereAvailable('trixie', async () => {
      live = await liveHost({ suite: 'trixie' });
      await removePod(live.host, await runPod(live.host, '', 'warm'));
      before = await print(live);
      await live.json(['install', live.bundle(live.first), '--backend', backend]);
      asEarlier({ path: (inside) => join(live.host.root, inside) }, '/usr/libexec/kata');
      if (backend === 'overlay') await live.host.sh(`sed -i 's#${condition}#/libexec/kata#' ${unit}; systemctl daemon-reload`);
      await live.host.run(['systemctl', 'restart', units[backend]]);
      await live.host.run(['systemctl', 'restart', containerd]);
    });
    stopAfter(() => live);

    it('its pods run and are counted; an upgrade would take their shim away, and is refused', async () => {
      const pod = await runPod(live.host, handler, 'stays');
      const container = await startContainer(live.host, pod, 'sleep 600', 'main');

      const { drift } = await live.json(['verify'], backend === 'overlay' ? 1 : 0);
      const { generations } = (await live.json(['status'])) as { generations: { sandboxes: number }[] };
      const refused = await live.json(['install', live.bundle(live.second)], 3);

      assert.match(
        found(drift).join(),
        backend === 'overlay' ? /^[^,]*kata-sysext-overlay\.service is not the unit of this version$/ : /^$/,
      );
      assert.equal(generations[0]!.sandboxes, 1);
      assert.equal(refused['code'], 'handler-in-use');
      assert.match(await execIn(live.host, container, ['echo', 'still here']), /still here/);
      await removePod(live.host, pod);
    });

    it('an upgrade that fails or dies once the new files are seen is put back: the earlier ones are where they were', async () => {
      const seen: unknown[] = [];
      for (const wish of [`step/${backend === 'sysext' ? 'refresh' : 'mount'}/after=error`, 'commit/before=kill']) {
        await live.kata(['install', live.bundle(live.second)], { KATA_SYSEXT_FAILPOINT: wish });
        if (wish.endsWith('kill')) await live.json(['recover']);
        const { stdout } = await live.host.sh(
          `sha256sum < ${shimPath.replace('/share/', '/libexec/')}; ls -d ${shimPath} 2>/dev/null || true`,
        );
        seen.push([stdout.slice(0, 64), stdout.includes(shimPath), await handlersOf(live)]);
        const pod = await runPod(live.host, handler, 'put-back');
        await removePod(live.host, pod);
      }

      const asBefore = [shimDigest(live.first), false, [handler, 'runc']];
      assert.deepEqual(seen, [asBefore, asBefore]);
    });

    it('without pods it is upgraded, comes back with a rollback, and goes without a trace', async () => {
      const up = await live.json(['install', live.bundle(live.second)]);
      const pod = await runPod(live.host, handler, 'second');
      const seen = await shimSeen(live);
      await removePod(live.host, pod);
      await live.json(['rollback']);
      const back = await runPod(live.host, handler, 'back');
      await removePod(live.host, back);
      const { drift } = await live.json(['verify']);
      await live.json(['uninstall', '--purge']);

      assert.deepEqual(up['restarted'], [containerd]);
      assert.deepEqual(seen, [shimDigest(live.second), shimDigest(live.second)]);
      assert.deepEqual(drift, []);
      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.deepEqual(differences(before, await print(live)), []);
    });
  });
}

function found(drift: unknown): string[] {
  return (drift as { found: string }[]).map((each) => each.found);
}
