import assert from 'node:assert/strict';
import { waitForCri } from '../lab/pods.ts';
import { suiteAvailable } from '../lab/roots.ts';
import { type AuditCursor, type Denial, isOurs, REFS, summary, unexplained } from '../lab/vm/index.ts';
import { stopAfter } from '../support/endings.ts';
import { handlersOf } from '../support/live/liveHost.ts';
import { planned } from '../support/plan.ts';
import { isExpected } from '../support/vm/enforcing.ts';
import { type LiveVm, liveVm } from '../support/vm/liveVm.ts';

const handler = 'kata-qemu-runtime-rs';
const updated = 0;
const earlier = 1;

interface Story {
  backend: 'prefix' | 'sysext' | 'overlay';
  /** In the updated system, after an upgrade there: the way back and an uninstall of the other one, or an uninstall that dies. */
  way: 'goes back' | 'dies';
}

const stories = planned(
  import.meta.url,
  [
    { backend: 'prefix', way: 'goes back' },
    { backend: 'sysext', way: 'dies' },
    { backend: 'overlay', way: 'goes back' },
    { backend: 'prefix', way: 'dies' },
    { backend: 'sysext', way: 'goes back' },
    { backend: 'overlay', way: 'dies' },
  ] satisfies Story[],
  1,
);

/** An OS update that brings containerd 2, with installs between the boots, then the way back. SELinux enforces all the time. */
for (const { backend, way } of stories) {
  describe(`deployments of an ostree host, backend ${backend}, one ${way}`, function () {
    this.timeout(2_400_000);
    let live: LiveVm;
    let since: AuditCursor;

    before(async function () {
      const forky = await suiteAvailable('forky');
      if (!forky.ok) {
        console.log(`      left out, the update brings forky's containerd: ${forky.why}`);
        this.skip();
      }
      live = await liveVm();
      since = await live.host.cursor();
      await live.json(['install', live.bundle(live.first), '--backend', backend]);
      await live.host.sh(`ostree admin deploy --os=debian ${REFS.engine}`, { timeoutMs: 1_200_000 });
    });
    stopAfter(() => live);

    it('the updated system comes up with the handler, on another engine', async () => {
      await boot(updated);

      assert.match(await engine(), /^2\./);
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      assert.equal((await live.json(['status']))['active'], 1);
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    if (way === 'goes back') {
      it('an upgrade there changes nothing of the earlier system, which comes back with its own generation, engine and wiring', async () => {
        await live.json(['install', live.bundle(live.second)]);

        await boot(earlier);

        assert.match(await engine(), /^1\.7/);
        assert.deepEqual(await handlersOf(live), [handler, 'runc']);
        const status = (await live.json(['status'])) as { active: number; deployments: { generation: number }[] };
        assert.equal(status.active, 1);
        assert.deepEqual(
          status.deployments.map(({ generation }) => generation),
          [2],
        );
        assert.deepEqual((await live.json(['verify']))['drift'], []);
      });

      it('uninstall here keeps what the other system has active', async () => {
        await live.json(['uninstall', '--purge']);
        const here = await handlersOf(live);

        await boot(updated);

        assert.deepEqual(here, ['runc']);
        assert.equal((await live.json(['status']))['active'], 2);
        assert.deepEqual(await handlersOf(live), [handler, 'runc']);
        assert.deepEqual((await live.json(['verify']))['drift'], []);
      });
    } else
      it('a change that dies there is left alone by the earlier system, and settled by the next boot of the updated one', async () => {
        await live.json(['install', live.bundle(live.second)]);
        await live.kata(['uninstall'], { KATA_SYSEXT_FAILPOINT: 'step/restart/before=kill' });
        await live.host.kill();
        await live.host.boot({ entry: earlier });
        await waitForCri(live.host);
        const here = [await engine(), (await live.json(['status']))['active'], await handlersOf(live), await journal()];

        await boot(updated);

        assert.match(String(here[0]), /^1\.7/);
        assert.deepEqual(here.slice(1), [1, [handler, 'runc'], 1]);
        assert.equal(await journal(), 0);
        assert.equal((await live.json(['status']))['active'], 2);
        assert.deepEqual(await handlersOf(live), [handler, 'runc']);
        assert.deepEqual((await live.json(['verify']))['drift'], []);
      });

    it('in all of this nothing of ours was denied', async () => {
      const left = unexplained(await live.host.denials(since)).filter((denial) => !isExpected(denial) && !isUpdates(denial));
      assert.deepEqual(summary(left), []);
    });

    async function boot(entry: number): Promise<void> {
      await live.host.reboot({ entry });
      await waitForCri(live.host);
    }

    async function engine(): Promise<string> {
      return (await live.host.run(['containerd', '--version'])).stdout.split(' ')[2] ?? '';
    }

    async function journal(): Promise<number> {
      return Number((await live.host.sh('ls /var/lib/kata-sysext/journal 2>/dev/null | wc -l')).stdout.trim());
    }
  });
}

/** The OS update's own: ostree has a deployment's policy built in a sandbox, and the updated systemd-networkd writes into a memfd. */
function isUpdates(denial: Denial): boolean {
  if (isOurs(denial)) return false;
  const memfd = denial.source === 'systemd_networkd_t' && denial.target === 'tmpfs_t' && denial.comm.startsWith('systemd-network');
  return memfd || ['bwrap', 'semodule', 'setfiles'].includes(denial.comm);
}
