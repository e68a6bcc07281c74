import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../cli/errors/index.ts';
import { waitForCri } from '../lab/pods.ts';
import { SECOND, sampleRelease } from '../lab/release/index.ts';
import { type AuditCursor, GOODS, summary, unexplained } from '../lab/vm/index.ts';
import { removeAfter, stopAfter } from '../support/endings.ts';
import { handlersOf } from '../support/live/liveHost.ts';
import { guardEnded } from '../support/live/unitWork.ts';
import { planned } from '../support/plan.ts';
import { missingOnDebian } from '../support/policies/debian13.ts';
import { json } from '../support/program.ts';
import { all } from '../support/sample.ts';
import { inPod, isExpected, silent, wouldRelabel } from '../support/vm/enforcing.ts';
import { type LiveVm, liveVm } from '../support/vm/liveVm.ts';
import { confinedPod, emptyRun, machineGoods, refusedPod, rulesOf, withMachines } from '../support/vm/machines.ts';
import { missingRules, underStockPolicy } from '../support/vm/policies.ts';

const handler = 'kata-qemu-runtime-rs';
/** What two of the pods are refused for: one of the rules that check names under Debian's policy as it is, and the label of /var. */
const missingRule = missingOnDebian[0] ?? '';
const wrongLabel = 'allow dockerd_t var_lib_t:file execute;';

type Part = 'labels' | 'moves';
interface Round {
  backend: 'prefix' | 'overlay' | 'sysext';
  /** Between the installation and its end: what labels and the policy are asked and changed to, or an upgrade, a way back and a boot. */
  parts: Part[];
}

// With sysext and an image the emulated kernel panicked or lost its ssh under load in two of three runs, while a nested guest ended; it is
// left to `npm run test:all` until the cause is known. The backend without a policy is in spec/merged and spec/boot.
const backends: Round['backend'][] = all ? ['prefix', 'overlay', 'sysext'] : ['prefix', 'overlay'];
const inTurn: Round[] = [
  { backend: 'prefix', parts: ['labels'] },
  { backend: 'overlay', parts: ['moves'] },
  { backend: 'prefix', parts: ['moves'] },
  { backend: 'overlay', parts: ['labels'] },
];
const rounds = all ? backends.map((backend): Round => ({ backend, parts: ['labels', 'moves'] })) : planned(import.meta.url, inTurn, 1);

for (const { backend, parts } of rounds) {
  describe(`a round under SELinux enforcing, backend ${backend}, ${parts.join(' and ')}`, function () {
    this.timeout(1_800_000);
    let live: LiveVm;
    let unlike: string[];
    let policy: string;
    let files: string;
    let top: string;
    let share: string;
    let since: AuditCursor;
    let folder: string | undefined;
    let image: string | undefined;

    before(async () => {
      // The upgrade of one backend is an image, made off the host without its policy.
      if (backend === 'sysext') {
        folder = mkdtempSync(join(tmpdir(), 'kata-sysext-round-'));
        image = join(folder, 'kata-next.raw');
        await json(['build', (await sampleRelease(SECOND)).static, '-o', image], 0, { timeoutMs: 1_200_000 });
      }
      live = await liveVm({ goods: { ...(await machineGoods()), ...(image === undefined ? {} : { 'image/next.raw': image }) } });
      await withMachines(live);
      await inPod(live, '', 'warm');
      unlike = await wouldRelabel(live);
      policy = await policyOf(live);
      files = await filesOf(live);
      [top, share] = [await labelOf(live, '/usr'), await labelOf(live, '/usr/share')];
      since = await live.host.cursor();
    });
    stopAfter(() => live);
    removeAfter(() => folder);

    it('under Debian’s policy as it is, check names each rule that is missing; with the module of examples/selinux/ none', async () => {
      const [stock, own] = [await underStockPolicy(live, () => live.json(['check'], 3)), await live.json(['check'])];

      assert.deepEqual(missingRules(stock['findings']), missingOnDebian);
      assert.equal(stock['ready'], false);
      assert.deepEqual(missingRules(own['findings']), []);
    });

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
      await confinedPod(live, handler, 'first');
    });

    if (parts.includes('labels')) {
      it('leaves nothing that restorecon would label otherwise, and nothing is lost to one that labels all', async () => {
        const wrong = (await wouldRelabel(live)).filter((line) => !unlike.includes(line));
        const shown = await shownLabels(live);
        await live.host.sh('restorecon -RF /usr /etc /var /usr/local >/dev/null 2>&1 || true', { timeoutMs: 1_200_000 });

        const verified = await silent(live, () => live.json(['verify']));

        assert.deepEqual(wrong, []);
        assert.equal(await shownLabels(live), shown);
        assert.deepEqual(verified['drift'], []);
        await confinedPod(live, handler, 'relabelled');
      });

      it('under Debian’s policy as it is verify names the rules that are missing, and a pod fails for want of one of them', async () => {
        const { stock, refused } = await underStockPolicy(live, async () => {
          // The engine has read which domain virtual machines have.
          await emptyRun(live);
          return { stock: await live.json(['verify'], 3), refused: await refusedPod(live, handler, 'refused') };
        });
        await emptyRun(live);

        assert.deepEqual(missingRules(stock['drift']), missingOnDebian);
        assert.match(refused.answer, /fork\/exec \S+\/virtiofsd: Permission denied/);
        assert.deepEqual(rulesOf(refused.denials), [missingRule]);
      });

      // What is shown below /usr keeps the label that it was first seen with.
      if (backend === 'prefix') {
        it('verify names a program with the label of /var/lib, for each domain that may not use it', async () => {
          const program = (await live.host.sh('find /var/usrlocal/libexec/kata-sysext/tree -type f -name virtiofsd')).stdout.trim();
          await live.host.sh(`chcon -t var_lib_t ${program}`);

          const seen = await live.kata(['verify', '--json']);
          const denied = (JSON.parse(seen.stdout) as { drift: Finding[] }).drift.filter(({ code }) => code === 'host-selinux-denies');
          await live.host.sh(`restorecon -F ${program}`);
          const after = await live.json(['verify']);

          assert.deepEqual(denied.map(({ subject }) => subject).sort(), ['container_kvm_t var_lib_t:file', 'dockerd_t var_lib_t:file']);
          assert.deepEqual(new Set(denied.map(({ needed }) => needed)), new Set([`the stock label for ${program}`]));
          assert.deepEqual(after['drift'], []);
        });

        it('a pod fails with programs that have the label of /var/lib, and runs again after restorecon', async () => {
          await live.host.sh(
            'chcon -t var_lib_t /usr/local/libexec/kata-sysext/tree/*/usr/share/kata/bin/virtiofsd /usr/local/libexec/kata-sysext/tree/*/usr/share/kata/bin/qemu-system-x86_64',
          );

          const refused = await refusedPod(live, handler, 'varlib');

          await live.host.sh('restorecon -RF /usr/local/libexec/kata-sysext/tree');
          assert.match(refused.answer, /fork\/exec \S+\/virtiofsd: Permission denied/);
          assert.deepEqual(rulesOf(refused.denials), [wrongLabel]);
          await confinedPod(live, handler, 'mended');
        });
      }
    }

    if (parts.includes('moves')) {
      it('upgrades and rolls back', async () => {
        const next = image === undefined ? live.bundle(live.second) : `${GOODS}/image/next.raw`;
        await silent(live, () => live.json(['install', next]));
        await confinedPod(live, handler, 'second');
        assert.equal(await labelOf(live, '/usr/share'), share);
        await silent(live, () => live.json(['rollback']));

        await confinedPod(live, handler, 'back');
        assert.deepEqual(
          (await wouldRelabel(live)).filter((line) => !unlike.includes(line)),
          [],
        );
      });

      it('is there after a boot, which blesses it', async () => {
        await live.host.reboot();
        await waitForCri(live.host);
        await guardEnded(live);

        console.log(`      the guard in that boot: ${await guardSeconds(live)}`);
        const { generations } = (await live.json(['status'])) as { generations: { number: number; state: string }[] };
        assert.equal(generations.find(({ number }) => number === 1)?.state, 'blessed');
        assert.deepEqual(await handlersOf(live), [handler, 'runc']);
        await confinedPod(live, handler, 'booted');
        assert.equal(await labelOf(live, '/usr'), top);
        assert.equal(await labelOf(live, '/usr/share'), share);
      });
    }

    it('uninstalls: no handler, no file of ours, the policy untouched, still enforcing', async () => {
      await silent(live, () => live.json(['uninstall', '--purge']));

      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.match(await inPod(live, '', 'runc'), /:container_t:/);
      assert.equal(await policyOf(live), policy);
      assert.equal(await filesOf(live), files);
      assert.deepEqual([await labelOf(live, '/usr'), await labelOf(live, '/usr/share')], [top, share]);
    });

    it('from before the installation until now nothing of ours was denied', async () => {
      const denials = unexplained(await live.host.denials(since)).filter((denial) => !isExpected(denial));

      assert.deepEqual(
        summary(denials.filter((denial) => !rulesOf([denial]).some((rule) => [missingRule, wrongLabel].includes(rule)))),
        [],
      );
    });
  });
}

/** For people: how long each unit of the guard ran, by systemd's own clock. */
async function guardSeconds({ host }: LiveVm): Promise<string> {
  const told: string[] = [];
  for (const unit of ['recover', 'rewire', 'confirm']) {
    const { stdout } = await host.sh(
      `systemctl show -P ExecMainStartTimestampMonotonic -P ExecMainExitTimestampMonotonic kata-sysext-${unit}.service`,
    );
    const [from = 0, to = 0] = stdout.trim().split('\n').map(Number);
    told.push(`${unit} ${from === 0 ? 'skipped' : `${((to - from) / 1e6).toFixed(1)} s`}`);
  }
  return told.join(', ');
}

async function labelOf({ host }: LiveVm, path: string): Promise<string> {
  return (await host.sh(`stat -c %C ${path}`)).stdout.trim();
}

/** What of ours is seen below /usr, with labels: those of the files' place in the store. */
async function shownLabels({ host }: LiveVm): Promise<string> {
  return (await host.sh("find /usr/share/kata /usr/lib/extension-release.d -printf '%p %Z\\n' 2>/dev/null | sort")).stdout;
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
