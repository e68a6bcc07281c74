import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { removePod, runPod, SOCKET, waitForCri } from '../../lab/pods.ts';
import { debianRoot, type Suite, suiteAvailable } from '../../lab/roots.ts';
import { run } from '../../lab/run.ts';
import { bindInto } from '../../lab/storage.ts';
import { stopAfter } from '../../support/endings.ts';
import { blessed } from '../../support/live/guardedBoots.ts';
import { handlersOf, type Live, liveHost } from '../../support/live/liveHost.ts';
import { until } from '../../support/live/unitWork.ts';

const ours = 'kata-qemu-runtime-rs';

/** An OS that exchanges systemd, and all else below /usr, under an installed generation: /etc and /var stay, and go back with it. */
describe('the boot guard when the OS brings another systemd', function () {
  this.timeout(900_000);
  let live: Live;

  before(async function () {
    for (const suite of ['bookworm', 'trixie'] as const) {
      const available = await suiteAvailable(suite);
      if (available.ok) continue;
      console.log(`      left out: ${available.why}`);
      this.skip();
    }
    live = await liveHost({ suite: 'bookworm' });
  });
  stopAfter(() => live);

  for (const [backend, ...allow] of [['sysext', '--allow', 'sysext-systemd-old'], ['overlay']] as const) {
    it(`backend ${backend}: 252 → 257 and back; runc pods run in each, and the handler is there, with its files`, async () => {
      await live.json(['install', live.bundle(live.first), '--backend', backend, ...allow]);
      const seen = [await look()];

      for (const suite of ['trixie', 'bookworm'] as const) {
        await live.host.reboot({ between: () => bring(suite) });
        await waitForCri(live.host, SOCKET);
        await until(async () => existsSync(`${live.host.root}${blessed}`), 'the generation is blessed');
        seen.push(await look());
      }
      await live.json(['uninstall', '--purge']);

      const same = { handlers: [ours, 'runc'], active: 1, drift: [], shim: seen[0]!.shim };
      assert.deepEqual(seen, [
        { systemd: '252', ...same },
        { systemd: '257', ...same },
        { systemd: '252', ...same },
      ]);
      assert.match(same.shim, /^[0-9a-f]{64}$/);
      assert.deepEqual(await handlersOf(live), ['runc']);
    });
  }

  /** Another suite's /usr under this host's own /etc and /var. */
  async function bring(suite: Suite): Promise<void> {
    await run(['umount', join(live.host.root, 'usr')]);
    await bindInto(live.host.root, { [join(await debianRoot(suite), 'usr')]: '/usr' });
  }

  async function look() {
    await removePod(live.host, await runPod(live.host, '', 'plain'));
    const version = (await live.host.run(['systemctl', '--version'])).stdout;
    const files = '$(find /usr/share/kata -name containerd-shim-kata-v2)';
    return {
      systemd: /^systemd (\d+)/.exec(version)?.[1],
      handlers: await handlersOf(live),
      active: (await live.json(['status']))['active'],
      drift: (await live.json(['verify']))['drift'],
      shim: (await live.host.sh(`sha256sum ${files}`)).stdout.slice(0, 64),
    };
  }
});
