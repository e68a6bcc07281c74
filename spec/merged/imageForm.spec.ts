import assert from 'node:assert/strict';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execIn, podOutput, removePod, runPod, startContainer } from '../lab/pods.ts';
import type { Suite } from '../lab/roots.ts';
import { sha256 } from '../support/digests.ts';
import { removeAfter, stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { repacked } from '../support/judges/images.ts';
import { containerd, handlersOf, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { merged, print, shimDigest, shimPath, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';
import { planned } from '../support/plan.ts';
import { json } from '../support/program.ts';
import { put } from '../support/trees/hostTrees.ts';
import { scratch } from '../support/trees/treeHost.ts';

const handler = 'kata-qemu-runtime-rs';

interface Row {
  suite: Suite;
  format: 'squashfs' | 'erofs';
  /** The other one, to move to. */
  other: 'squashfs' | 'erofs';
  allow: string[];
}

/** bookworm: systemd 252, mksquashfs 4.5.1, mkfs.erofs 1.5; trixie: 257, 4.6.1, 1.8; forky: the newest. */
const rows: Row[] = [
  { suite: 'bookworm', format: 'squashfs', other: 'erofs', allow: ['--allow', 'sysext-systemd-old'] },
  { suite: 'trixie', format: 'erofs', other: 'squashfs', allow: [] },
  { suite: 'forky', format: 'squashfs', other: 'erofs', allow: [] },
];

for (const { suite, format, other, allow } of planned(import.meta.url, rows, 1)) {
  describe(`backend sysext with images (${format}, ${other}) on a live ${suite} host`, function () {
    this.timeout(900_000);
    let live: Live;
    let before: string[];
    let runs: Record<string, string>;
    const install = (release: Live['first'], ...more: string[]) => live.json(['install', live.bundle(release), ...more, ...allow]);
    const target = async () => (await live.host.run(['readlink', '/etc/extensions/kata.raw'])).stdout.trim();
    /** How many loop devices show a file of the file system that holds our images; others are of this machine's other hosts. */
    const loops = async () => {
      const { stdout } = await live.host.sh(
        'd=$(stat -c %Hd:%Ld /var/lib); losetup -nl -O BACK-MAJ:MIN | tr -d " " | grep -cx "$d" || true',
      );
      return Number(stdout.trim());
    };

    let folder: string;
    const nested = ['--allow', 'sysext-nested-mounts'];
    /** An image of the second release, made here and not on the host. */
    const built = async () =>
      (await json(['build', live.second.static, '-o', join(folder, 'kata.raw'), '--format', other], 0, { timeoutMs: 900_000 })) as {
        digest: string;
      };

    whereAvailable(suite, async () => {
      folder = scratch('image');
      live = await liveHost({ suite, binds: { [folder]: '/mnt/image' } });
      await removePod(live.host, await runPod(live.host, '', 'warm'));
      before = await print(live);
    });
    stopAfter(() => live);
    removeAfter(() => folder);

    it('installs: systemd merges the image, PID 1 and the engine see the shim, a pod runs from it', async () => {
      const change = await install(live.first, '--backend', 'sysext', '--format', format);
      const pod = await runPod(live.host, handler, 'first');
      const printed = await podOutput(live.host, pod, 'echo from the image');
      await removePod(live.host, pod);

      runs = await runsOf(live);
      assert.deepEqual(change['restarted'], [containerd]);
      assert.match(await target(), /\/tree\/[0-9a-f]{64}\/kata\.raw$/);
      assert.match(await merged(live), /"\/usr","extensions":\["kata"\].*active$/);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.match(printed, /from the image/);
      assert.equal(await loops(), 1);
      assert.deepEqual((await live.json(['verify']))['drift'], []);
      const { stdout } = await live.host.sh(`getfattr --only-values -n security.selinux /usr/share ${shimPath} 2>/dev/null | tr '\\0' ' '`);
      assert.match(stdout, /^system_u:object_r:usr_t:s0 ?system_u:object_r:bin_t:s0 ?$/);
    });

    it('configures, upgrades and rolls back under a running pod without a restart', async () => {
      const running = await runPod(live.host, handler, 'stays');
      const container = await startContainer(live.host, running, 'sleep 600', 'main');

      const set = await live.json(['configure', '--set', 'default_memory=2048', ...allow]);
      const up = await install(live.second);
      const seen = await shimSeen(live);
      const second = await runPod(live.host, handler, 'second');
      await live.json(['gc', '--keep', '0']);
      const back = await live.json(['rollback', ...allow]);

      assert.deepEqual([set['restarted'], up['restarted'], back['restarted']], [[], [], []]);
      assert.deepEqual(await runsOf(live), runs);
      assert.deepEqual(seen, [shimDigest(live.second), shimDigest(live.second)]);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.match(await execIn(live.host, container, ['echo', 'still here']), /still here/);
      for (const pod of [running, second]) await removePod(live.host, pod);
    });

    it('goes to the other format, to a folder and back, each without a restart of the engine', async () => {
      const changes = [
        await install(live.first, '--format', other),
        await install(live.first, '--format', 'directory'),
        await install(live.first, '--format', format),
        await live.json(['rollback', ...allow]),
      ];
      const links = (await live.host.run(['ls', '/etc/extensions'])).stdout.trim();
      const after = [await merged(live), await shimSeen(live)];
      await live.json(['rollback', ...allow]);

      assert.deepEqual(
        changes.map(({ restarted }) => restarted),
        [[], [], [], []],
      );
      assert.equal(links, 'kata');
      assert.match(String(after[0]), /\["kata"\]/);
      assert.deepEqual(after[1], [shimDigest(live.first), shimDigest(live.first)]);
      assert.deepEqual(await runsOf(live), runs);
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('an image that somebody damaged is made anew, and seen by all', async () => {
      const image = await target();
      await live.host.sh(`printf x | dd of=${image} bs=1 seek=$(($(stat -c %s ${image}) - 1)) conv=notrunc 2>/dev/null`);
      const drifted = await live.json(['verify'], 1);

      const mended = await install(live.first);

      assert.match(JSON.stringify(drifted), /kata\.raw: its bytes differ/);
      assert.deepEqual([mended['changed'], mended['restarted']], [true, []]);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.deepEqual((await live.json(['verify']))['drift'], []);
    });

    it('SIGKILL around the refresh of an upgrade from an image to a folder: recover merges the image again', async () => {
      for (const wish of ['step/refresh/journalled=kill', 'step/refresh/after=kill']) {
        await live.kata(['install', live.bundle(live.second), '--format', 'directory', ...allow], { KATA_SYSEXT_FAILPOINT: wish });
        await live.json(['recover']);

        assert.equal((await live.host.run(['ls', '/etc/extensions'])).stdout.trim(), 'kata.raw', wish);
        assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)], wish);
        assert.deepEqual((await live.json(['verify']))['drift'], [], wish);
      }
      assert.deepEqual(await runsOf(live), runs);
    });

    const foreign: [title: string, edit: (tree: string) => void, found: RegExp][] = [
      ['has a file more', (tree) => put(tree, 'usr/bin/sudo', '#!/bin/sh\n'), /usr\/bin is in it, and .* does not list that; and 1 more/],
      ['lacks a file', (tree) => rmSync(join(tree, 'usr/share/kata/VERSION')), /VERSION is listed in its manifest and is not in it$/],
      [
        'has a set-id bit',
        (tree) => chmodSync(join(tree, 'usr/share/kata/VERSION'), 0o4755),
        /VERSION has the mode 4755, and .* says 0644$/,
      ],
    ];
    it('an image whose file system is not what its manifest lists is refused, and nothing of it stays', async () => {
      const file = join(folder, 'honest.raw');
      await json(['build', live.second.static, '-o', file], 0, { timeoutMs: 900_000 });
      const honest = readFileSync(file);
      const stored = async () =>
        (await live.host.sh('cd /var/lib/kata-sysext; ls . payloads generations; readlink /etc/kata-sysext/current')).stdout;
      const before = await stored();

      for (const [title, edit, found] of foreign) {
        const bytes = repacked(honest, edit);
        writeFileSync(join(folder, 'forged.raw'), bytes);
        const inspected = await json(['inspect', join(folder, 'forged.raw'), '-v']);
        const args = ['install', '/mnt/image/forged.raw', '--digest', `sha256:${sha256(bytes)}`, ...allow, ...nested];
        const refused = await live.json(args, 4);

        // It repeats what the image says.
        assert.doesNotMatch(JSON.stringify(inspected), /sudo/, title);
        assert.equal(refused['code'], 'image-damaged', title);
        assert.match(String(refused['found']), found, title);
        assert.equal(await stored(), before, title);
      }
      assert.deepEqual(await runsOf(live), runs);
    });

    it('an image that was made on another machine and by another version of the tool: installed without a tool, a pod runs from it', async () => {
      const { digest } = await built();
      // Nothing on the host could make one. systemd 252 loses mounts below /usr at a refresh.
      const hide = async (command: string) => {
        if (suite !== 'bookworm') await live.host.sh(`for p in mksquashfs mkfs.erofs; do ${command}; done`);
      };
      await hide('mount --bind /dev/null /usr/bin/$p');
      const wrong = await live.json(['install', '/mnt/image/kata.raw', '--digest', `sha256:${'0'.repeat(64)}`, ...allow, ...nested], 4);

      const change = await live.json(['install', '/mnt/image/kata.raw', '--digest', digest, ...allow, ...nested]);

      const pod = await runPod(live.host, handler, 'given');
      await removePod(live.host, pod);
      assert.equal(wrong['code'], 'bundle-digest');
      assert.deepEqual([change['changed'], change['restarted']], [true, []]);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.second), shimDigest(live.second)]);
      assert.equal((await live.host.run(['sha256sum', await target()])).stdout.slice(0, 64), digest.slice('sha256:'.length));
      assert.deepEqual((await live.json(['verify']))['drift'], []);
      await live.json(['rollback', ...allow, ...nested]);
      await hide('umount /usr/bin/$p');
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
      assert.deepEqual(await runsOf(live), runs);
    });

    it('moves to prefix and back as one change each', async () => {
      const there = await install(live.first, '--backend', 'prefix');
      const without = await merged(live);
      const again = await install(live.first, '--backend', 'sysext', '--format', format);

      assert.deepEqual([there['restarted'], again['restarted']], [[containerd], [containerd]]);
      assert.match(without, /inactive$/);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
    });

    it('uninstalls: every byte, mode, owner and xattr as before; the loop device goes with the last program that was started while merged', async () => {
      await live.json(['uninstall', '--purge']);

      assert.deepEqual(await handlersOf(live), ['runc']);
      assert.deepEqual(differences(before, await print(live)), []);
      await live.host.run(['systemctl', 'restart', containerd]);
      assert.equal(await loops(), 0);
    });
  });
}

describe('images where the kernel or the tools do not help', function () {
  this.timeout(900_000);
  let live: Live;
  let before: string[];

  whereAvailable('trixie', async () => {
    live = await liveHost({ suite: 'trixie' });
    before = await print(live);
  });
  stopAfter(() => live);

  const traps: [title: string, code: string, make: string, undo: string][] = [
    [
      'the program that makes them is missing',
      'image-tool-missing',
      'mount --bind /dev/null /usr/bin/mksquashfs',
      'umount /usr/bin/mksquashfs',
    ],
    ['there are no loop devices', 'image-no-loop', 'umount /dev/loop-control; rm -f /dev/loop-control', 'mknod /dev/loop-control c 10 237'],
  ];
  for (const [title, code, make, undo] of traps) {
    it(`is refused when ${title}: ${code}`, async () => {
      await live.host.sh(make);

      const refused = await live
        .json(['install', live.bundle(live.first), '--backend', 'sysext', '--format', 'squashfs', '--allow', 'sysext-nested-mounts'], 3)
        .finally(() => live.host.sh(undo));

      assert.equal(refused['code'], code, JSON.stringify(refused));
      await live.json(['uninstall', '--purge']);
      assert.deepEqual(differences(before, await print(live)), []);
    });
  }
});
