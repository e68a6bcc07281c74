import assert from 'node:assert/strict';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { handlersOf, kataSysext, type Live, liveHost, runsOf } from '../support/live/liveHost.ts';
import { merged, print, service, shimDigest, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';
import { stopped } from '../support/live/unitWork.ts';

const allow = ['--allow', 'sysext-systemd-old'];
const release = 'usr/lib/extension-release.d/extension-release';

interface Row {
  title: string;
  make: string;
  undo: string;
  code: string;
  found: RegExp;
  overridable: boolean;
}

/** What stands in the way of extensions on systemd 252, each with a code of its own. */
const rows: Row[] = [
  {
    title: 'an extension of somebody else that lies ready',
    make: `mkdir -p /var/lib/extensions/theirs/usr/lib/extension-release.d; echo ID=_any > /var/lib/extensions/theirs/${release}.theirs`,
    undo: 'rm -r /var/lib/extensions/theirs',
    code: 'sysext-foreign-restart',
    found: /take all extensions away and merge them again, and others have theirs/,
    overridable: false,
  },
  {
    title: 'one in a folder that only systemd before 254 searches',
    make: `mount -t tmpfs none /usr/local; mkdir -p /usr/local/lib/extensions/theirs/usr/lib/extension-release.d; echo ID=_any > /usr/local/lib/extensions/theirs/${release}.theirs`,
    undo: 'umount /usr/local',
    code: 'sysext-foreign-restart',
    found: /others have theirs/,
    overridable: false,
  },
  {
    title: 'a folder without a release file, which is an error for all extensions',
    make: 'mkdir -p /var/lib/extensions/empty; touch /var/lib/extensions/empty/note',
    undo: 'rm -r /var/lib/extensions/empty',
    code: 'sysext-foreign-broken',
    found: /\/var\/lib\/extensions\/empty is no extension/,
    overridable: false,
  },
  {
    title: 'an image that is none',
    make: 'mkdir -p /var/lib/extensions; echo nonsense > /var/lib/extensions/bad.raw',
    undo: 'rm /var/lib/extensions/bad.raw',
    code: 'sysext-foreign-broken',
    found: /bad\.raw is no extension/,
    overridable: false,
  },
  {
    title: 'an extension of our name',
    make: 'mkdir -p /var/lib/extensions/kata/usr',
    undo: 'rm -r /var/lib/extensions/kata',
    code: 'sysext-name-taken',
    found: /\/var\/lib\/extensions\/kata is an extension of the name kata/,
    overridable: false,
  },
  {
    title: 'a mount below /usr, which a merge would hide',
    make: 'mount -t tmpfs none /usr/local',
    undo: 'umount /usr/local',
    code: 'sysext-nested-mounts',
    found: /\/usr\/local is mounted below \/usr/,
    overridable: true,
  },
  {
    title: 'a masked service',
    make: `systemctl mask ${service}`,
    undo: `systemctl unmask ${service}`,
    code: 'sysext-service-masked',
    found: /is masked/,
    overridable: false,
  },
];

describe('backend sysext on systemd 252', function () {
  this.timeout(900_000);
  let live: Live;
  let before: string[];

  whereAvailable('bookworm', async () => {
    live = await liveHost({ suite: 'bookworm', files: { '/var/lib/extensions/.keep': '' } });
    before = await print(live);
  });
  stopAfter(() => live);

  for (const { title, make, undo, code, found, overridable } of rows) {
    it(`refuses ${title}: ${code}`, async () => {
      await live.host.sh(make);

      const refused = await live.json(['install', live.bundle(live.first), '--backend', 'sysext', ...allow], 3);
      const wished = await live.kata(['install', live.bundle(live.first), '--backend', 'sysext', ...allow, '--allow', code, '--dry-run']);

      await live.host.sh(undo);
      assert.equal(refused['code'], code, JSON.stringify(refused));
      assert.match(String(refused['found']), found);
      assert.equal(String(refused['next']).includes(`--allow ${code}`), overridable);
      assert.equal(wished.code, overridable ? 0 : 2, wished.stderr);
      assert.deepEqual(differences(before, await print(live)), []);
    });
  }

  it('SIGKILL around the refresh of an upgrade: recover merges the old payload again, without a restart of the engine', async () => {
    await live.json(['install', live.bundle(live.first), '--backend', 'sysext', ...allow]);
    const runs = await runsOf(live);

    for (const wish of ['step/refresh/journalled=kill', 'step/refresh/after=kill']) {
      await live.kata(['install', live.bundle(live.second), ...allow], { KATA_SYSEXT_FAILPOINT: wish });
      await live.json(['recover']);

      assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)], wish);
      assert.deepEqual((await live.json(['verify']))['drift'], [], wish);
    }
    assert.deepEqual(await runsOf(live), runs);
  });

  it('a restart that systemd calls a success, with nothing merged: told as not restored, and mended by recover', async () => {
    const child = live.host.spawn([kataSysext, 'install', live.bundle(live.second), ...allow, '--json', '--progress', 'none'], {
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
    const between = await merged(live);
    await live.host.sh('rm -r /run/extensions');
    const recovered = await live.json(['recover']);

    assert.equal(status, 5, out);
    assert.equal((JSON.parse(out) as { code: string }).code, 'not-restored');
    assert.doesNotMatch(between, /"kata"/);
    assert.equal((recovered['recovered'] as { result: string }[])[0]?.result, 'undone');
    assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
    assert.deepEqual((await live.json(['verify']))['drift'], []);
  });

  it('uninstalls to the same bytes', async () => {
    await live.json(['uninstall', '--purge']);

    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.deepEqual(differences(before, await print(live)), []);
  });
});
