import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { labFolder } from '../lab/cache.ts';
import { podOutput, removePod, runPod, waitForCri } from '../lab/pods.ts';
import { debianRoot, type Suite } from '../lab/roots.ts';
import { run } from '../lab/run.ts';
import { endAfter, removeAfter, stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';
import { diskPrint, overlays, unit, usrSeen } from '../support/live/overlayHost.ts';
import { merged, shimDigest, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';
import { sample } from '../support/sample.ts';

const handler = 'kata-qemu-runtime-rs';
const ours = ['overlay kata-sysext'];
const wish = ['--backend', 'overlay'];
const extension = (name: string) => ({
  [`/var/lib/extensions/${name}/usr/lib/extension-release.d/extension-release.${name}`]: 'ID=_any\n',
});
const enabled = {
  '/etc/systemd/system/sysinit.target.wants/systemd-sysext.service': { link: '/usr/lib/systemd/system/systemd-sysext.service' },
};

interface Row {
  title: string;
  make: string;
  undo: string;
  code: string;
  found: RegExp;
}

/** What stands in the way, each with a code of its own; none can be taken upon oneself. */
const rows: Row[] = [
  {
    title: 'an extension of somebody else that lies ready for the next boot',
    make: 'mkdir -p /var/lib/extensions/theirs/usr/lib/extension-release.d; echo ID=_any > /var/lib/extensions/theirs/usr/lib/extension-release.d/extension-release.theirs',
    undo: 'rm -r /var/lib/extensions/theirs',
    code: 'overlay-foreign',
    found: /theirs is an extension of others, merged into \/usr or ready for it/,
  },
  {
    title: 'a mount below /usr, which the overlay would hide',
    make: 'mount -t tmpfs none /usr/local',
    undo: 'umount /usr/local',
    code: 'overlay-nested-mounts',
    found: /\/usr\/local is mounted below \/usr: a change of the overlay would hide it, or take it away/,
  },
  {
    title: 'a masked unit of our name',
    make: `systemctl mask ${unit}`,
    undo: `systemctl unmask ${unit}`,
    code: 'overlay-unit-taken',
    found: /kata-sysext-overlay\.service is masked: \/etc\/systemd\/system\/kata-sysext-overlay\.service points at \/dev\/null/,
  },
  {
    title: 'a unit of our name by somebody else',
    make: `echo '[Service]' > /etc/systemd/system/${unit}`,
    undo: `rm /etc/systemd/system/${unit}`,
    code: 'overlay-unit-taken',
    found: /was not made by kata-sysext/,
  },
  {
    title: 'two overlays that somebody mounted on /usr',
    make: 'mkdir -p /run/none; for n in 1 2; do mount -t overlay -o ro,lowerdir=/usr:/run/none theirs /usr; done',
    undo: 'umount -l /usr; umount -l /usr',
    code: 'overlay-depth',
    found: /the kernel refuses an overlay over \/usr; \/usr lies on an overlay already \(theirs\), and at most two can be stacked/,
  },
];

for (const suite of sample<Suite>(['bookworm', 'trixie'], 1, 'overlay refusals')) {
  describe(`backend overlay, refused on ${suite}`, function () {
    this.timeout(900_000);
    let live: Live;
    let before: string[];

    whereAvailable(suite, async () => {
      live = await liveHost({ suite, files: { '/var/lib/extensions/.keep': '' } });
      before = diskPrint(live);
    });
    stopAfter(() => live);

    for (const { title, make, undo, code, found } of rows) {
      it(`refuses ${title}: ${code}`, async () => {
        await live.host.sh(make);

        const checked = await live.json(['check', ...wish], 3);
        const refused = await live.json(['install', live.bundle(live.first), ...wish], 3);
        const wished = await live.kata(['install', live.bundle(live.first), ...wish, '--allow', code]);

        await live.host.sh(undo);
        assert.deepEqual(
          (checked['findings'] as { code: string }[]).map((finding) => finding.code).filter((each) => each.startsWith('overlay')),
          [code],
        );
        assert.equal(refused['code'], code, JSON.stringify(refused));
        assert.match(String(refused['found']), found);
        assert.match(String(refused['next']), /--backend prefix/);
        assert.equal(wished.code, 2, wished.stdout);
        assert.deepEqual(differences(before, diskPrint(live)), []);
      });
    }

    it('steps aside at the boot after an extension of somebody else came: theirs is merged, runc runs, and verify says it', async () => {
      await live.json(['install', live.bundle(live.first), ...wish]);
      await live.host.reboot({
        between: async () => {
          for (const [path, text] of Object.entries(extension('theirs'))) {
            await mkdir(join(live.host.root, path, '..'), { recursive: true });
            await writeFile(join(live.host.root, path), text);
          }
          const wants = join(live.host.root, 'etc/systemd/system/sysinit.target.wants/systemd-sysext.service');
          await symlink('/usr/lib/systemd/system/systemd-sysext.service', wants);
        },
      });
      await waitForCri(live.host);
      const pod = await runPod(live.host, '', 'plain');
      const printed = await podOutput(live.host, pod, 'echo runc runs');
      await removePod(live.host, pod);
      const drifted = JSON.stringify(await live.json(['verify'], 1));
      const now = await merged(live);

      assert.match(printed, /runc runs/);
      assert.match(now, /"theirs"/);
      assert.deepEqual(
        overlays(live).filter((mount) => mount === ours[0]),
        [],
      );
      assert.match(drifted, /PID 1 has no payload of kata-sysext mounted/);
      assert.equal((await live.host.run(['systemctl', '--failed', '--no-legend'])).stdout, '');
      const moved = await live.json(['install', live.bundle(live.first), '--backend', 'prefix']);
      assert.equal(moved['changed'], true);
      await removePod(live.host, await runPod(live.host, handler, 'moved'));
      await live.json(['uninstall', '--purge']);
      await live.host.sh('rm -r /etc/systemd/system/sysinit.target.wants/systemd-sysext.service /var/lib/extensions/theirs');
    });
  });
}

describe('backend overlay under an extension that was merged on top of it later', function () {
  this.timeout(900_000);
  let live: Live;
  let before: string[];

  whereAvailable('trixie', async () => {
    live = await liveHost({ suite: 'trixie' });
    before = diskPrint(live);
  });
  stopAfter(() => live);

  it('both are served; upgrade and uninstall are refused until theirs is off again, and then succeed', async () => {
    await live.json(['install', live.bundle(live.first), ...wish]);
    await live.host.sh(
      'mkdir -p /run/extensions/theirs/usr/lib/extension-release.d; echo ID=_any > /run/extensions/theirs/usr/lib/extension-release.d/extension-release.theirs; systemd-sysext merge',
    );
    const both = [overlays(live), await shimSeen(live)];
    const pod = await runPod(live.host, handler, 'under');
    await removePod(live.host, pod);
    const upgrade = await live.json(['install', live.bundle(live.second)], 3);
    const uninstall = await live.json(['uninstall', '--purge'], 3);
    const still = overlays(live);
    await live.host.sh('systemd-sysext unmerge; rm -r /run/extensions');

    await live.json(['install', live.bundle(live.second)]);
    const upgraded = [overlays(live), await shimSeen(live)];
    await live.json(['uninstall', '--purge']);

    const digests = (release: typeof live.first) => [shimDigest(release), shimDigest(release)];
    assert.deepEqual(both, [[...ours, 'overlay sysext'], digests(live.first)]);
    assert.deepEqual([upgrade['code'], uninstall['code']], ['overlay-foreign', 'overlay-foreign']);
    assert.match(String(uninstall['found']), /was mounted on \/usr over kata-sysext’s overlay/);
    assert.deepEqual(still, [...ours, 'overlay sysext']);
    assert.deepEqual(upgraded, [ours, digests(live.second)]);
    assert.deepEqual(differences(before, diskPrint(live)), []);
  });
});

describe('backend overlay beside a merged extension of somebody else', function () {
  this.timeout(900_000);
  let live: Live;

  whereAvailable('trixie', async () => {
    live = await liveHost({ suite: 'trixie', files: { ...enabled, ...extension('theirs') } });
  });
  stopAfter(() => live);

  it('is refused, and theirs stays merged', async () => {
    const before = [diskPrint(live), await merged(live)];

    const refused = await live.json(['install', live.bundle(live.first), ...wish], 3);

    assert.equal(refused['code'], 'overlay-foreign');
    assert.match(String(refused['next']), /--backend prefix/);
    assert.deepEqual([diskPrint(live), await merged(live)], before);
    assert.match(await merged(live), /"theirs"/);
  });
});

describe('backend overlay on a host with its own QEMU and libvirt, whose /usr/local is a link', function () {
  this.timeout(900_000);
  let folder: string;
  let live: Live;
  let before: string[];
  let usr: string[];

  whereAvailable('trixie', async () => {
    folder = await mkdtemp(join(labFolder(), 'usr-'));
    await run(['cp', '-al', join(await debianRoot('trixie'), 'usr'), folder]);
    for (const path of [
      'bin/qemu-system-x86_64',
      'bin/virsh',
      'sbin/libvirtd',
      'libexec/virtiofsd',
      'share/qemu/bios-256k.bin',
      'lib/extension-release.d/extension-release.base',
    ]) {
      await mkdir(join(folder, 'usr', path, '..'), { recursive: true });
      await writeFile(join(folder, 'usr', path), `the host's own ${path}\n`, { mode: 0o755 });
    }
    await rm(join(folder, 'usr/local'), { recursive: true });
    await symlink('../var/usrlocal', join(folder, 'usr/local'));
    for (const [path, type] of [
      ['', 'usr_t'],
      ['/share', 'etc_t'],
      ['/lib', 'lib_t'],
      ['/lib/extension-release.d', 'lib_t'],
    ])
      await run(['setfattr', '-n', 'security.selinux', '-v', `system_u:object_r:${type}:s0`, `${folder}/usr${path}`]);
    await run(['chmod', '0751', `${folder}/usr/share`]);
    live = await liveHost({ suite: 'trixie', usr: join(folder, 'usr'), files: { '/var/usrlocal/bin/their-tool': 'theirs\n' } });
    before = diskPrint(live);
    usr = usrSeen(live);
  });
  stopAfter(() => live);
  removeAfter(() => folder);

  it('shows ours besides: each file, mode and label of theirs as before, /usr itself included, and /usr/local can be written', async () => {
    await live.json(['install', live.bundle(live.first), ...wish]);

    const pod = await runPod(live.host, handler, 'pod');
    await removePod(live.host, pod);
    assert.deepEqual(overlays(live), ours);
    assert.deepEqual(differences(usr, usrSeen(live)), []);
    assert.deepEqual(await shimSeen(live), [shimDigest(live.first), shimDigest(live.first)]);
    const { stdout } = await live.host.sh(
      'getfattr --only-values -n security.selinux /usr /usr/share; stat -c " %a %a" /usr /usr/share; touch /usr/local/bin/new; cat /usr/local/bin/their-tool; rm /usr/local/bin/new',
    );
    assert.match(stdout.replaceAll('\0', ' '), /usr_t:s0.*etc_t:s0[\s\S]*755[\s\S]*751[\s\S]*theirs/);
  });

  it('uninstalls to the byte', async () => {
    await live.json(['uninstall', '--purge']);

    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.deepEqual(differences(before, diskPrint(live)), []);
    assert.deepEqual(differences(usr, usrSeen(live)), []);
  });
});

describe('backend overlay on a /usr that is an overlay already, as with composefs', function () {
  this.timeout(900_000);
  let folder: string;
  let live: Live;

  whereAvailable('trixie', async () => {
    folder = await mkdtemp(join(labFolder(), 'usr-'));
    await mkdir(join(folder, 'none'));
    await mkdir(join(folder, 'usr'));
    const lower = `${join(await debianRoot('trixie'), 'usr')}:${join(folder, 'none')}`;
    await run(['mount', '-t', 'overlay', '-o', `ro,lowerdir=${lower}`, 'composefs', join(folder, 'usr')]);
    live = await liveHost({ suite: 'trixie', usr: join(folder, 'usr') });
  });
  stopAfter(() => live);
  endAfter(
    () => folder,
    async (path) => {
      await run(['umount', '-l', join(path, 'usr')], { allowFailure: true });
      await rm(path, { recursive: true });
    },
  );

  it('refuses to take the last level, with the reason, and leaves the host alone', async () => {
    const before = fingerprint(live.host.root, ['etc', 'var'], ['var/lib/containerd', 'var/log', 'var/lib/systemd']);

    const refused = await live.json(['install', live.bundle(live.first), ...wish], 3);

    assert.equal(refused['code'], 'overlay-depth');
    assert.match(
      String(refused['found']),
      /\/usr lies on an overlay already \(composefs\): kata-sysext’s overlay would take the last level/,
    );
    assert.deepEqual(overlays(live), ['overlay composefs']);
    assert.deepEqual(
      differences(before, fingerprint(live.host.root, ['etc', 'var'], ['var/lib/containerd', 'var/log', 'var/lib/systemd'])),
      [],
    );
    assert.equal((await live.json(['install', live.bundle(live.first), '--backend', 'prefix']))['changed'], true);
  });
});
