import assert from 'node:assert/strict';
import { execIn, podOutput, removePod, runPod, startContainer } from '../lab/pods.ts';
import type { Suite } from '../lab/roots.ts';
import { shimsOf } from '../lab/shims.ts';
import { differences } from '../support/fingerprint.ts';
import { containerd, dependent, handlersOf, kataSysext, type Live, liveHost, runsOf } from '../support/liveHost.ts';
import { sample } from '../support/sample.ts';
import { merged, print, service, shimDigest, shimPath, shimSeen, whereAvailable } from '../support/sysextHost.ts';
import { stopped } from '../support/unitWork.ts';

const handler = 'kata-qemu-runtime-rs';
/** What the user has to take upon himself there: bookworm's systemd is 252, which only restarts, and whose exit statuses lie. */
const allowed: Record<Suite, string[]> = { bookworm: ['--allow', 'sysext-systemd-old'], trixie: [], forky: [] };

for (const suite of sample<Suite>(['bookworm', 'trixie', 'forky'], 1, 'sysext suites')) {
  describe(`backend sysext on a live ${suite} host`, function () {
    const allow = allowed[suite];
    this.timeout(240_000);
    let live: Live;
    let before: string[];
    let runs: Record<string, string>;

    whereAvailable(suite, async () => {
      live = await liveHost({ suite });
      await removePod(live.host, await runPod(live.host, '', 'warm'));
      before = await print(live);
    });
    after(() => live?.host.stop());

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
      const { generations } = (await live.json(['status'])) as { generations: { number: number; processes: number }[] };
      assert.deepEqual(
        generations.map(({ number, processes }) => [number, processes > 0]),
        [
          [1, true],
          [2, true],
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

      assert.match(JSON.stringify(drifted), /PID 1 has nothing of ours/);
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

const release = (name: string) => ({ [`/var/lib/extensions/${name}/usr/lib/extension-release.d/extension-release.${name}`]: 'ID=_any\n' });
const tool = (name: string) => ({
  ...release(name),
  [`/var/lib/extensions/${name}/usr/bin/${name}-tool`]: { text: '#!/bin/sh\nexit 0\n', mode: 0o755 },
});
const enabled = { [`/etc/systemd/system/sysinit.target.wants/${service}`]: { link: `/usr/lib/systemd/system/${service}` } };

for (const suite of sample<Suite>(['trixie', 'forky'], 1, 'foreign suites')) {
  describe(`backend sysext beside extensions of others on ${suite}`, function () {
    this.timeout(240_000);
    let live: Live;
    let before: string[];

    whereAvailable(suite, async () => {
      live = await liveHost({
        suite,
        files: {
          ...enabled,
          ...tool('theirs'),
          ...tool('masked'),
          '/etc/extensions/masked/note': 'a folder without a release file masks the name\n',
        },
      });
      before = await print(live);
    });
    after(() => live?.host.stop());

    it('is refused while they are merged, and says what would happen', async () => {
      const checked = await live.json(['check', '--backend', 'sysext'], 3);
      const refused = await live.json(['install', live.bundle(live.first), '--backend', 'sysext'], 3);

      assert.equal(checked['ready'], false);
      assert.deepEqual(
        (checked['findings'] as { code: string }[]).map(({ code }) => code).filter((code) => code.startsWith('sysext')),
        ['sysext-foreign-merged', 'sysext-foreign-masked'],
      );
      assert.equal(refused['code'], 'sysext-foreign-merged');
      assert.match(String(refused['next']), /--allow sysext-foreign-merged/);
      assert.deepEqual(differences(before, await print(live)), []);
    });

    it('--allow: theirs stays merged; the programs that failed to start in the gap are counted', async () => {
      const loop = live.host.spawn(
        [
          '/bin/bash',
          '-c',
          'n=0; f=0; while [ ! -e /run/enough ]; do n=$((n+1)); /usr/bin/theirs-tool 2>/dev/null || f=$((f+1)); done; echo $n $f',
        ],
        {},
      );
      let out = '';
      loop.stdout?.on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
      const closed = new Promise((resolve) => loop.on('close', resolve));

      await live.json(['install', live.bundle(live.first), '--backend', 'sysext', '--allow', 'sysext-foreign-merged']);
      await live.json(['install', live.bundle(live.second), '--allow', 'sysext-foreign-merged']);
      await live.host.run(['touch', '/run/enough']);
      await closed;

      const [runs, failures] = out.trim().split(' ').map(Number) as [number, number];
      console.log(`      ${failures} of ${runs} starts of their program failed during an install and an upgrade`);
      assert.ok(runs > 50 && failures < runs / 4, out);
      assert.match(await merged(live), /"\/usr","extensions":\["kata","theirs"\]/);
      await live.host.run(['/usr/bin/theirs-tool']);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.second), shimDigest(live.second)]);
    });

    it('never activates one that lies ready, removed or broken, in no change: upgrade, rollback, uninstall', async () => {
      const allow = ['--allow', 'sysext-foreign-merged'];
      await live.host.sh(
        'cp -a /var/lib/extensions/theirs /var/lib/extensions/later; cd /var/lib/extensions/later/usr; mv bin/theirs-tool bin/later-tool; mv lib/extension-release.d/extension-release.theirs lib/extension-release.d/extension-release.later; mkdir -p ../opt/later; touch ../opt/later/file',
      );
      const dormant = await live.json(['rollback', ...allow], 3);
      const opt = await live.json(['rollback', ...allow, '--allow', 'sysext-foreign-dormant'], 3);
      const away = await live.json(['uninstall', ...allow], 3);
      await live.host.sh('rm -r /var/lib/extensions/later; echo nonsense > /var/lib/extensions/bad.raw');
      const broken = await live.json(['rollback', ...allow], 3);
      const overridden = await live.json(['rollback', ...allow, '--allow', 'sysext-foreign-broken'], 2);
      await live.host.sh('rm /var/lib/extensions/bad.raw; mv /var/lib/extensions/theirs /var/lib/theirs');
      const removed = await live.json(['rollback', ...allow], 3);
      await live.host.sh('mv /var/lib/theirs /var/lib/extensions/theirs');

      const codes = [dormant, opt, away, broken, removed].map((refused) => refused['code']);
      assert.ok(['sysext-foreign-dormant', 'sysext-foreign-opt'].includes(String(codes[0])), String(codes));
      assert.equal(codes[1], 'sysext-foreign-opt');
      assert.ok(['sysext-foreign-dormant', 'sysext-foreign-opt'].includes(String(codes[2])), String(codes));
      assert.equal(codes[3], 'sysext-foreign-broken');
      assert.equal(overridden['code'], 'usage');
      assert.equal(codes[4], 'sysext-foreign-removed');
      assert.match(await merged(live), /\["kata","theirs"\]/);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.second), shimDigest(live.second)]);
    });

    it('uninstalls ours alone and leaves the service enabled and running for them', async () => {
      await live.json(['uninstall', '--purge', '--allow', 'sysext-foreign-merged']);

      await live.host.run(['/usr/bin/theirs-tool']);
      assert.deepEqual(differences(before, await print(live)), []);
    });
  });
}

describe('backend sysext, interrupted and failing', function () {
  this.timeout(240_000);
  const points = ['step/refresh/before', 'step/refresh/journalled', 'step/refresh/after', 'commit/before'];
  let live: Live;

  whereAvailable('trixie', async () => {
    live = await liveHost({ suite: 'trixie' });
  });
  after(() => live?.host.stop());

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
