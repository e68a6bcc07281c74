import assert from 'node:assert/strict';
import { podOutput, removePod, runPod, waitForCri } from '../lab/pods.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { handlersOf, kataSysext, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { diskPrint, overlays, unit } from '../support/live/overlayHost.ts';
import { shimDigest, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';
import { loopMs, sample } from '../support/sample.ts';

const handler = 'kata-qemu-runtime-rs';
const ours = ['overlay kata-sysext'];
const points = ['before', 'journalled', 'turned', 'after'].map((point) => `step/mount/${point}=kill`);
/** An upgrade that is killed, and one that fails and is killed while it is put back. */
const upgrades = [
  ...points,
  'commit/before=kill',
  'step/mount/after=error,undo/mount/before=kill',
  'step/mount/after=error,undo/mount/after=kill',
];

describe('backend overlay, killed', function () {
  this.timeout(loopMs);
  let live: Live;

  whereAvailable('trixie', async () => {
    live = await liveHost({ suite: 'trixie' });
  });
  stopAfter(() => live);

  it('SIGKILL around the mount of a first install: recover leaves the host as it was', async () => {
    const before = diskPrint(live);

    for (const wish of sample([...points, 'commit/before=kill'], 1, 'overlay install')) {
      await live.kata(['install', live.bundle(live.first), '--backend', 'overlay'], { KATA_SYSEXT_FAILPOINT: wish });
      await live.json(['recover']);
      await live.json(['uninstall', '--purge']);

      assert.deepEqual(differences(before, diskPrint(live)), [], wish);
      assert.deepEqual(await handlersOf(live), ['runc'], wish);
    }
  });

  it('SIGKILL around the mount of an upgrade and while it is undone: recover mounts the old payload again, once', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'overlay']);
    const runs = await runsOf(live);

    for (const wish of sample(upgrades, 1, 'overlay upgrade')) {
      await live.kata(['install', live.bundle(live.second)], { KATA_SYSEXT_FAILPOINT: wish });
      await live.json(['recover']);

      assert.deepEqual([overlays(live), await shimSeen(live)], [ours, [shimDigest(live.first), shimDigest(live.first)]], wish);
      assert.equal((await live.json(['status']))['active'], 1, wish);
      assert.deepEqual((await live.json(['verify']))['drift'], [], wish);
    }
    assert.deepEqual(await runsOf(live), runs);
  });

  for (const wish of sample(upgrades, 1, 'overlay boot')) {
    it(`a loss of power at ${wish} of an upgrade: the host boots with the program deleted, and recover ends in the old state`, async () => {
      await live.kata(['install', live.bundle(live.second)], { KATA_SYSEXT_FAILPOINT: wish });
      await live.host.sh('mv /var/lib/kata-sysext/bin /var/lib/kata-sysext/gone');
      await live.host.reboot({ crash: true });
      await waitForCri(live.host);
      const pod = await runPod(live.host, '', 'plain');
      const printed = await podOutput(live.host, pod, 'echo runc runs');
      await removePod(live.host, pod);
      const booted = overlays(live);
      await live.host.sh('mv /var/lib/kata-sysext/gone /var/lib/kata-sysext/bin');

      await live.json(['recover']);

      assert.match(printed, /runc runs/);
      assert.deepEqual(booted, ours);
      assert.deepEqual([overlays(live), await shimSeen(live)], [ours, [shimDigest(live.first), shimDigest(live.first)]]);
      await removePod(live.host, await runPod(live.host, handler, 'recovered'));
    });
  }

  it('a loss of power once the mount was turned: the guard settles it in the boot, and the old payload is mounted', async () => {
    await live.kata(['install', live.bundle(live.second)], { KATA_SYSEXT_FAILPOINT: 'step/mount/after=kill' });

    await live.host.reboot({ crash: true });

    await waitForCri(live.host);
    assert.equal((await live.host.sh('ls /var/lib/kata-sysext/journal | wc -l')).stdout.trim(), '0');
    assert.deepEqual([overlays(live), await shimSeen(live)], [ours, [shimDigest(live.first), shimDigest(live.first)]]);
    assert.equal((await live.json(['status']))['active'], 1);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  it('recover early in a boot, before our units: it turns the link and waits for nothing, and the old payload is mounted', async () => {
    const early = 'early-recover.service';
    const text = `[Unit]
DefaultDependencies=no
After=local-fs.target
Before=kata-sysext-recover.service systemd-sysext.service ${unit}
[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=120
Environment=KATA_SYSEXT_UNIT=${early}
ExecStart=${kataSysext} recover --json
`;
    await live.kata(['install', live.bundle(live.second)], { KATA_SYSEXT_FAILPOINT: 'step/mount/after=kill' });
    const second = await shimSeen(live);
    await live.host.run(['tee', `/etc/systemd/system/${early}`], { input: text });
    await live.host.sh(`ln -s ../${early} /etc/systemd/system/sysinit.target.wants/`);

    await live.host.reboot({ crash: true });

    await waitForCri(live.host);
    const state = (await live.host.run(['systemctl', 'show', early, '-P', 'Result', '-P', 'ActiveState'])).stdout;
    const log = (await live.host.run(['journalctl', '-b', '--no-pager', '-u', early, '-u', 'kata-sysext-*'])).stdout;
    await live.host.sh(`rm /etc/systemd/system/${early} /etc/systemd/system/sysinit.target.wants/${early}; systemctl daemon-reload`);
    assert.deepEqual(second, [shimDigest(live.second), shimDigest(live.second)]);
    assert.deepEqual(state.trim().split('\n').sort(), ['active', 'success'], log);
    assert.match(log, /"kind":"Recovery","recovered":\[\{[^\]]*"verb":"install","result":"undone"/);
    assert.deepEqual([overlays(live), await shimSeen(live)], [ours, [shimDigest(live.first), shimDigest(live.first)]]);
    assert.equal((await live.json(['status']))['active'], 1);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  it('a mount that fails: the boot goes on, runc runs, the unit has failed, and nothing else; a payload that is gone is given up', async () => {
    const active = (await live.json(['status']))['active'];
    const layer = (await live.host.run(['readlink', '/etc/kata-sysext/overlay'])).stdout.trim();
    await live.host.sh(
      `mkdir -p /etc/systemd/system/${unit}.d; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > /etc/systemd/system/${unit}.d/broken.conf`,
    );
    await live.host.reboot();
    await waitForCri(live.host);
    const failed = (await live.host.run(['systemctl', '--failed', '--no-legend', '--plain'])).stdout;
    await removePod(live.host, await runPod(live.host, '', 'plain'));
    await live.host.sh(`rm -r /etc/systemd/system/${unit}.d; mv ${layer} ${layer}.gone`);
    await live.host.reboot();
    await waitForCri(live.host);
    const aside = (await live.host.run(['systemctl', '--failed', '--no-legend', '--plain'])).stdout;
    await removePod(live.host, await runPod(live.host, '', 'plain-again'));
    await live.host.sh(`mv ${layer}.gone ${layer}`);

    const given = (await live.json(['status']))['active'];

    const mended = await live.json(['activate', String(active)]);

    assert.match(failed, /^kata-sysext-overlay\.service\s[^\n]*\n$/);
    assert.equal(aside, '');
    assert.deepEqual([given, mended['changed'], overlays(live)], [undefined, true, ours]);
    assert.deepEqual(await handlersOf(live), [handler, 'runc']);
  });

  it('a move to sysext and one back that fail after the merge: the backend that was there is back', async () => {
    const seen: unknown[] = [];
    for (const [from, to] of [
      ['overlay', 'sysext'],
      ['sysext', 'overlay'],
    ] as const) {
      for (const wish of [`step/${to === 'sysext' ? 'refresh' : 'mount'}/after=error`, 'commit/before=kill']) {
        const ran = await live.kata(['install', live.bundle(live.first), '--backend', to], { KATA_SYSEXT_FAILPOINT: wish });
        if (wish.endsWith('kill')) await live.json(['recover']);
        seen.push([from, wish.endsWith('kill') || ran.code, overlays(live), (await live.json(['verify']))['drift']]);
      }
      await live.json(['install', live.bundle(live.first), '--backend', to]);
    }

    const row = (from: string, shown: string) => [
      [from, 1, [shown], []],
      [from, true, [shown], []],
    ];
    assert.deepEqual(seen, [...row('overlay', 'overlay kata-sysext'), ...row('sysext', 'overlay sysext')]);
    assert.deepEqual(overlays(live), ours);
  });

  it('SIGKILL around the mount of an uninstall: recover brings the generation back, and the next uninstall succeeds', async () => {
    const before = ['step/mount/journalled=kill', 'step/mount/taken=kill', 'step/mount/after=kill'];
    for (const wish of sample(before, 1, 'overlay uninstall')) {
      await live.kata(['uninstall', '--purge'], { KATA_SYSEXT_FAILPOINT: wish });
      await live.json(['recover']);

      assert.deepEqual([overlays(live), await shimSeen(live)], [ours, [shimDigest(live.first), shimDigest(live.first)]], wish);
      assert.deepEqual(await handlersOf(live), [handler, 'runc'], wish);
    }
    await live.json(['uninstall', '--purge']);
    assert.deepEqual(overlays(live), []);
  });
});
