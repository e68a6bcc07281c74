import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SOCKET, waitForCri } from '../../lab/pods.ts';
import { run } from '../../lab/run.ts';
import { stopAfter } from '../../support/endings.ts';
import { blessed } from '../../support/live/guardedBoots.ts';
import { handlersOf, type Live, liveHost } from '../../support/live/liveHost.ts';
import { overlays } from '../../support/live/overlayHost.ts';
import { refuseOurs, takeOurs } from '../../support/live/refusingEngine.ts';
import { guardEnded, until } from '../../support/live/unitWork.ts';
import { planned } from '../../support/plan.ts';

const ours = 'kata-qemu-runtime-rs';
const dropIn = '/etc/systemd/system/containerd.service.d/lab.conf';
/** What the boot guard gives up once files of the generation are merged or mounted below /usr. Judged by the bytes there, and by the CRI. */
describe('the boot guard gives up what is below /usr', function () {
  this.timeout(900_000);
  let live: Live;

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
  });
  stopAfter(() => live);

  beforeEach(async function () {
    if (this.currentTest?.title.includes('comes up') === true) await live.kata(['uninstall', '--purge']);
  });

  for (const backend of planned(import.meta.url, ['sysext', 'overlay'], 1)) {
    it(`backend ${backend}: the engine comes up with the generation that was blessed, and with its files`, async () => {
      await live.json(['install', live.bundle(live.first), '--backend', backend]);
      const wanted = await shim();
      await boot();
      await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed');
      await live.json(['install', live.bundle(live.second)]);
      const bad = await shim();
      await engine(`RestartSec=1\nExecStartPre=/bin/sh -c '! sha256sum ${bad.path} | grep -q ${bad.digest}'`);

      await boot();
      // It is tried without, and once more with it: until that is over the other one may be active again.
      await guardEnded(live);
      assert.equal(await active(), 1);
      await waitForCri(live.host, SOCKET);

      assert.notEqual(bad.digest, wanted.digest);
      assert.deepEqual(await shim(), wanted);
      assert.deepEqual(await handlersOf(live), [ours, 'runc']);
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it(`backend ${backend}: none is active where the merge has happened, and the engine refuses what shows it`, async () => {
      await live.host.sh(`rm ${dropIn}; systemctl daemon-reload`);
      await live.json(['activate', '2', '--wait', '300']);
      await refuseOurs(live);

      await boot();

      assert.equal(await active(), 'none');
      assert.deepEqual(await handlersOf(live), ['runc']);
      await takeOurs(live);
      await waitForCri(live.host, SOCKET);
    });
  }

  it('backend overlay: an OS update to a root that is an overlay already leaves the last level to others, and the way back works', async () => {
    const none = '/root/none';
    await live.kata(['uninstall', '--purge']);
    await live.json(['install', live.bundle(live.first), '--backend', 'overlay']);
    const usr = join(live.host.root, 'usr');
    const layers = `ro,lowerdir=${usr}:${join(live.host.root, none)}`;

    await boot(async () => {
      await mkdir(join(live.host.root, none), { recursive: true });
      await run(['mount', '-t', 'overlay', '-o', layers, 'composefs', usr]);
    });
    const updated = [await active(), await handlersOf(live), overlays(live)];
    const { entries } = (await live.json(['history'])) as { entries: { reason?: string }[] };
    await boot(() => run(['umount', usr]));
    await live.json(['activate', '1']);
    await boot();

    assert.deepEqual(updated, ['none', ['runc'], ['overlay composefs']]);
    assert.match(
      entries.at(-1)?.reason ?? '',
      /\/usr lies on an overlay already \(composefs\): kata-sysext’s overlay would take the last level.* \[overlay-depth\]$/,
    );
    assert.deepEqual([await active(), await handlersOf(live)], [1, [ours, 'runc']]);
  });

  async function boot(between: () => unknown = () => undefined): Promise<void> {
    await live.host.reboot({ between: async () => void (await between()) });
    await until(
      async () => (await live.host.run(['systemctl', 'is-active', 'multi-user.target'], { allowFailure: true })).code === 0,
      'up',
    );
    await waitForCri(live.host, SOCKET).catch(() => undefined);
  }

  async function engine(lines: string): Promise<void> {
    await live.host.sh(`mkdir -p ${dropIn.replace(/\/[^/]*$/, '')}`);
    await live.host.run(['tee', dropIn], { input: `[Service]\n${lines}\n` });
    await live.host.sh('systemctl daemon-reload');
  }

  async function active(): Promise<unknown> {
    return (await live.json(['status']))['active'] ?? 'none';
  }

  async function shim(): Promise<{ path: string; digest: string }> {
    const said = (await live.host.sh('sha256sum $(find /usr/share/kata -name containerd-shim-kata-v2)')).stdout.trim();
    return { digest: said.slice(0, 64), path: said.slice(64).trim() };
  }
});
