import assert from 'node:assert/strict';
import { execIn, podOutput, removePod, runPod, startContainer } from '../lab/pods.ts';
import type { Suite } from '../lab/roots.ts';
import { shimsOf } from '../lab/shims.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { containerd, dependent, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { merged, print, service, shimDigest, shimPath, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';
import { suitesOf } from '../support/plan.ts';

const handler = 'kata-qemu-runtime-rs';
/** What the user has to take upon himself there: bookworm's systemd is 252, which only restarts, and whose exit statuses lie. */
const allowed: Record<Suite, string[]> = { bookworm: ['--allow', 'sysext-systemd-old'], trixie: [], forky: [] };

for (const suite of suitesOf('sysext')) {
  describe(`backend sysext on a live ${suite} host`, function () {
    const allow = allowed[suite];
    this.timeout(900_000);
    let live: Live;
    let before: string[];
    let runs: Record<string, string>;

    whereAvailable(suite, async () => {
      live = await liveHost({ suite });
      await removePod(live.host, await runPod(live.host, '', 'warm'));
      before = await print(live);
    });
    stopAfter(() => live);

    it('is judged by its systemd, and the plan names the refresh without changing a byte', async () => {
      const old = allow.length > 0;
      const checked = await live.json(['check', '--backend', 'sysext'], old ? 3 : 0);
      const refused = old ? await live.json(['install', live.bundle(live.first), '--backend', 'sysext'], 3) : undefined;
      const automatic = await live.json(['check']);
      const { stdout } = await live.kata(['install', live.bundle(live.first), '--backend', 'sysext', '--dry-run', ...allow]);

      assert.equal(checked['ready'], !old);
      assert.equal(checked['backend'], 'sysext');
      assert.equal(automatic['backend'], old ? 'prefix' : 'sysext');
      assert.deepEqual(
        (checked['findings'] as { code: string }[]).map(({ code }) => code).filter((code) => code.startsWith('sysext')),
        old ? ['sysext-systemd-old'] : [],
      );
      if (refused !== undefined) {
        assert.equal(refused['code'], 'sysext-systemd-old');
        assert.match(String(refused['found']), /systemd 252: .*hides.*; a failed merge looks like a good one; .*unmerges everything/);
        assert.match(String(refused['next']), /--backend prefix.*--allow sysext-systemd-old/);
      }
      assert.match(stdout, /point \/etc\/extensions\/kata at/);
      assert.match(stdout, /systemd-sysext\.service/);
      assert.deepEqual(differences(before, await print(live)), []);
    });

    it('installs: PID 1 and the engine see the shim below /usr, the CRI lists the handler', async () => {
      const change = await live.json(['install', live.bundle(live.first), ...(allow.length > 0 ? ['--backend', 'sysext', ...allow] : [])]);

      runs = await runsOf(live);
      assert.deepEqual(change['restarted'], [containerd]);
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.match(await merged(live), /"\/usr","extensions":\["kata"\].*active$/);
      assert.match(
        (await live.host.run(['grep', '-rh', 'runtime_path', '/etc/containerd'])).stdout,
        new RegExp(`runtime_path = "${shimPath}"`),
      );
      assert.equal((await live.host.run(['systemctl', 'is-enabled', service], { allowFailure: true })).stdout.trim(), 'enabled');
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('installs nothing twice', async () => {
      const change = await live.json(['install', live.bundle(live.first), ...allow]);

      assert.equal(change['changed'], false);
      assert.deepEqual(await runsOf(live), runs);
    });

    it('upgrades and rolls back under a running pod without a restart; pods started right after get the right shim', async () => {
      const running = await runPod(live.host, handler, 'stays');
      const container = await startContainer(live.host, running, 'sleep 600', 'main');

      const up = await live.json(['install', live.bundle(live.second), ...allow]);
      const second = await runPod(live.host, handler, 'second');
      const printed = await podOutput(live.host, second, 'echo from the second');
      const shims = (await shimsOf(live.host)).map((shim) => shim.sha256);
      await live.json(['gc', '--keep', '0']);
      const back = await live.json(['rollback']);
      const third = await runPod(live.host, handler, 'third');

      assert.deepEqual([up['restarted'], back['restarted']], [[], []]);
      assert.deepEqual(await runsOf(live), runs);
      assert.match(printed, /from the second/);
      assert.deepEqual(
        [shimDigest(live.first), shimDigest(live.second)].map((digest) => shims.filter((shim) => shim === digest).length),
        [1, 1],
      );
      assert.equal((await shimsOf(live.host)).filter((shim) => shim.sha256 === shimDigest(live.first)).length, 2);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.match(await execIn(live.host, container, ['echo', 'still here']), /still here/);
      const { generations } = (await live.json(['status'])) as { generations: { number: number; sandboxes: number }[] };
      assert.deepEqual(
        generations.map(({ number, sandboxes }) => [number, sandboxes]),
        [
          [1, 2],
          [2, 1],
        ],
      );
      const refused = await live.json(['install', live.bundle(live.first), '--backend', 'prefix', ...allow], 3);
      assert.equal(refused['code'], 'handler-in-use');
      for (const pod of [running, second, third]) await removePod(live.host, pod);
    });

    it('moves to prefix and back as one change each, with one restart', async () => {
      const there = await live.json(['install', live.bundle(live.first), '--backend', 'prefix', ...allow]);
      const without = [await merged(live), await shimSeen(live)];
      const pod = await runPod(live.host, handler, 'prefix');
      await removePod(live.host, pod);
      const again = await live.json(['install', live.bundle(live.first), '--backend', 'sysext', ...allow]);
      const other = await runPod(live.host, handler, 'sysext');
      await removePod(live.host, other);

      assert.deepEqual([there['restarted'], again['restarted']], [[containerd], [containerd]]);
      assert.match(String(without[0]), /inactive$/);
      assert.deepEqual(without[1], ['none', 'none']);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.match(
        (await live.host.run(['grep', '-rh', 'runtime_path', '/etc/containerd'])).stdout,
        new RegExp(`runtime_path = "${shimPath}"`),
      );
    });

    it('a rollback goes back to the other backend too', async () => {
      await live.json(['rollback']);

      assert.match(await merged(live), /inactive$/);
      assert.deepEqual(await handlersOf(live), [handler, 'runc']);
      await live.json(['rollback']);
      assert.match(await merged(live), /"kata"/);
    });

    it('verify tells when somebody unmerged it, and an install of the same bundle mends it', async () => {
      await live.host.run(['systemctl', 'stop', service]);
      const drifted = await live.json(['verify'], 1);

      const mended = await live.json(['install', live.bundle(live.first), ...allow]);

      assert.match(JSON.stringify(drifted), /PID 1 has no payload of kata-sysext/);
      assert.deepEqual([mended['changed'], mended['restarted']], [true, []]);
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('a damaged payload is put in place anew and seen by all, without a restart of the engine', async () => {
      const was = await runsOf(live);
      const target = (await live.host.run(['readlink', '/etc/extensions/kata'])).stdout.trim();
      await live.host.sh(`echo damaged >> ${target}${shimPath}`);

      const mended = await live.json(['install', live.bundle(live.first), ...allow]);

      assert.deepEqual([mended['changed'], mended['restarted']], [true, []]);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.deepEqual((await live.json(['verify']))['drift'], []);
      assert.deepEqual(await runsOf(live), was);
    });

    it('uninstalls: every byte, mode, owner and xattr as before, nothing merged, the service as it was', async () => {
      const change = await live.json(['uninstall', '--purge']);

      assert.deepEqual(change['restarted'], [containerd]);
      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.match((await runsOf(live))[dependent]!, /ActiveState=active/);
      assert.deepEqual(differences(before, await print(live)), []);
    });
  });
}
