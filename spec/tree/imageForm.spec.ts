import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { unsuited } from '../../cli/bootGuard/suits.ts';
import { openView } from '../../cli/host/index.ts';
import { activeGeneration } from '../../cli/store/index.ts';
import { sha256 } from '../support/digests.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { labelsSeen, type Seen, treeSeen, whileMounted } from '../support/judges/images.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const formats = ['squashfs', 'erofs'] as const;
const state = 'var/lib/kata-sysext';

function withSystemd(root: string): void {
  put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
  put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
}

describe('install --format in an offline tree', function () {
  this.timeout(900_000);
  let host: TreeHost;
  afterEach(() => host.remove());
  const sysext = ['--backend', 'sysext', '--format'];
  const links = () =>
    readdirSync(host.path('etc/extensions')).map((name) => `${name} ${readlinkSync(host.path(`etc/extensions/${name}`))}`);

  for (const format of formats) {
    it(`${format}: install, configure, upgrade, rollback, gc, uninstall --purge leaves the tree as it was`, async () => {
      host = treeHost('microos', withSystemd);
      const before = host.fingerprint();
      const { first, second } = await releases();

      await host.json(['install', first, ...sysext, format]);
      const installed = links();
      const stored = filesBelow(host.path(state), 'tree');
      const configured = await host.json(['configure', '--set', 'default_memory=4096']);
      await host.json(['install', second]);
      const upgraded = links();
      const verified = await host.json(['verify']);
      await host.json(['rollback']);
      const back = links();
      const status = await host.json(['status']);
      await host.json(['gc', '--keep', '0']);
      await host.json(['uninstall', '--purge']);

      assert.match(installed.join(), /^kata\.raw \/var\/lib\/kata-sysext\/tree\/[0-9a-f]{64}\/kata\.raw$/);
      assert.deepEqual(
        stored.map((path) => path.replace(/[0-9a-f]{64}/, 'HEX')),
        [
          'tree/HEX/kata.raw',
          'tree/HEX/usr/share/kata/share/defaults/kata-containers/runtime-rs/configuration-qemu-runtime-rs.toml',
          'tree/HEX/usr/share/kata/versions.yaml',
        ],
      );
      assert.equal(configured['changed'], true);
      assert.notDeepEqual(upgraded, installed);
      assert.deepEqual(back, installed);
      assert.deepEqual(verified['drift'], []);
      assert.deepEqual(
        (status['generations'] as { format: string }[]).map((each) => each.format),
        [format, format, format],
      );
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });

    it(`${format}: what is inside is what a folder would have, with labels; and its digest stands in the payload's manifest`, async () => {
      host = treeHost('microos', withSystemd);
      const { first } = await releases();
      await host.json(['install', first, '--backend', 'sysext']);
      const [folder] = links();
      const tree = treeSeen(host.path(folder!.split(' ')[1]!.slice(1)));
      await host.json(['install', first, ...sysext, format]);
      const image = host.path(links()[0]!.split(' ')[1]!.slice(1));
      const mounted = whileMounted(format, image, (at) => ({ files: treeSeen(at), labels: labelsSeen(at) }));
      const hex = /[0-9a-f]{64}/.exec(image)![0];
      const manifest = JSON.parse(readFileSync(host.path(`${state}/payloads/${hex}.json`), 'utf8')) as { image: unknown };

      // What only an image has is in spec/tree/notices.spec.ts.
      const other = /extension-release\.kata$|^usr\/share\/(?:licenses|os-manifests)(?:\/|$)/;
      const own = (all: Seen[]) => all.filter(({ path }) => !other.test(path));
      assert.deepEqual(own(mounted.files), own(tree));
      assert.deepEqual(manifest.image, { format, sizeBytes: lstatSync(image).size, digest: `sha256:${sha256(readFileSync(image))}` });
      assert.equal(mounted.labels.get('usr'), 'system_u:object_r:usr_t:s0');
      assert.equal(mounted.labels.get('usr/lib'), 'system_u:object_r:lib_t:s0');
      assert.equal(mounted.labels.get('usr/share'), 'system_u:object_r:usr_t:s0');
      assert.equal(mounted.labels.get('usr/share/kata/runtime-rs/bin/containerd-shim-kata-v2'), 'system_u:object_r:bin_t:s0');
      assert.equal([...mounted.labels.keys()].length, mounted.files.length + 1);
    });
  }

  it('moves between a folder, an image and the other backends, and rolls back over each', async () => {
    host = treeHost('microos', (root) => {
      withSystemd(root);
      // What a unit of backend overlay runs at boot.
      for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(root, `usr/bin/${name}`, '');
    });
    const before = host.fingerprint();
    const { first } = await releases();
    await host.json(['install', first, '--backend', 'sysext']);
    const folder = links();
    await host.json(['install', first, '--format', 'squashfs']);
    const image = links();
    await host.json(['install', first, '--format', 'erofs']);
    const other = links();
    await host.json(['install', first, '--backend', 'overlay']);
    await host.json(['rollback']);
    const afterOverlay = links();
    await host.json(['install', first, '--backend', 'prefix']);
    const none = lstatSync(host.path('etc/extensions'), { throwIfNoEntry: false });
    await host.json(['rollback']);
    const returned = links();
    await host.json(['rollback', '--to', '1']);
    const first1 = links();
    const verified = await host.json(['verify']);
    await host.json(['rollback', '--to', '2']);
    const second2 = links();
    await host.json(['uninstall', '--purge']);

    assert.match(folder.join(), /^kata \/var\/lib\/kata-sysext\/tree\/[0-9a-f]{64}$/);
    assert.match(image.join(), /^kata\.raw [^,]*$/);
    assert.match(other.join(), /^kata\.raw [^,]*$/);
    assert.notDeepEqual(image, other);
    assert.equal(none, undefined);
    assert.deepEqual([afterOverlay, returned, first1, second2], [other, other, folder, image]);
    assert.deepEqual(verified['drift'], []);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('installs the same image nothing twice, and makes the same bytes again where it was damaged', async () => {
    host = treeHost('microos', withSystemd);
    const { first } = await releases();
    await host.json(['install', first, ...sysext, 'squashfs']);
    const image = host.path(links()[0]!.split(' ')[1]!.slice(1));
    const made = readFileSync(image);
    const repeated = await host.json(['install', first]);
    writeFileSync(image, Buffer.concat([made.subarray(0, -1), Buffer.from('x')]));
    const seen = await host.json(['verify'], 1);

    await host.json(['install', first]);

    assert.equal(repeated['changed'], false);
    assert.match(JSON.stringify(seen['drift']), /kata\.raw: its bytes differ/);
    assert.ok(readFileSync(image).equals(made));
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('SIGKILL while an image is made or put in place: the next change leaves no trace of it', async () => {
    host = treeHost('microos', withSystemd);
    const { first, second } = await releases();
    await host.json(['install', first, ...sysext, 'squashfs']);
    const before = host.fingerprint([`${state}/history`, `${state}/lock`]);

    for (const point of ['store/image/before', 'store/image/made', 'store/seal/between', 'store/seal/placed']) {
      const killed = await host.run(['install', second], { env: { KATA_SYSEXT_FAILPOINT: `${point}=kill` } });
      await host.json(['recover']);

      assert.equal(killed.status, 137, point);
      assert.deepEqual(differences(before, host.fingerprint([`${state}/history`, `${state}/lock`])), [], point);
    }
  });

  it('is wrong usage with another backend, and a format that nobody knows', async () => {
    host = treeHost('microos', withSystemd);
    const before = host.fingerprint();
    const { first } = await releases();

    const prefix = await host.json(['install', first, '--format', 'squashfs'], 2);
    const ext4 = await host.json(['install', first, ...sysext, 'ext4'], 2);

    assert.match(String(prefix['found']), /--format squashfs with the backend prefix/);
    assert.equal(ext4['code'], 'usage');
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  const traps: [title: string, format: string, code: string, make: (root: string) => void][] = [
    [
      'a file system that modprobe.d keeps away',
      'erofs',
      'image-blacklisted',
      (root) => put(root, 'usr/lib/modprobe.d/60-blacklist_fs-erofs.conf', 'blacklist erofs\n'),
    ],
    [
      'a file system whose module is replaced by nothing',
      'squashfs',
      'image-blacklisted',
      (root) => put(root, 'etc/modprobe.d/cis.conf', 'install squashfs /bin/false\n'),
    ],
    [
      'a kernel without the file system',
      'erofs',
      'image-kernel',
      (root) => put(root, 'usr/lib/modules/6.1.0/modules.dep', 'kernel/fs/squashfs/squashfs.ko.xz:\n'),
    ],
    [
      'a policy that takes signed images only',
      'squashfs',
      'image-policy',
      (root) => put(root, 'etc/systemd/sysext.conf.d/10-strict.conf', '[SysExt]\nImagePolicy=root=signed+absent:usr=signed+absent\n'),
    ],
  ];
  for (const [title, format, code, make] of traps) {
    it(`refuses ${title}: ${code}; a folder is not concerned`, async () => {
      host = treeHost('microos', (root) => {
        withSystemd(root);
        make(root);
      });
      const { first } = await releases();
      const before = host.fingerprint();

      const refused = await host.json(['install', first, ...sysext, format], 3);
      const checked = await host.json(['check', ...sysext, format], 3);

      assert.equal(refused['code'], code);
      assert.ok((checked['findings'] as { code: string }[]).some((finding) => finding.code === code));
      assert.deepEqual(differences(before, host.fingerprint([`${state}/history`])), []);
      await host.json(['install', first, ...sysext, 'directory']);
    });
  }

  it('takes a built-in file system and a policy for unprotected images whatever else is said', async () => {
    host = treeHost('microos', (root) => {
      withSystemd(root);
      put(root, 'usr/lib/modprobe.d/60-blacklist_fs-erofs.conf', 'blacklist erofs\n');
      put(root, 'usr/lib/modules/6.1.0/modules.builtin', 'kernel/fs/erofs/erofs.ko\n');
      put(root, 'etc/systemd/sysext.conf', '[SysExt]\nImagePolicy=root=verity+unprotected+absent\n');
    });
    const { first } = await releases();

    await host.json(['install', first, ...sysext, 'erofs']);

    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('does not suit a boot of a system that came to keep its file system away: the boot guard gives it up', async () => {
    host = treeHost('microos', withSystemd);
    const { first } = await releases();
    await host.json(['install', first, ...sysext, 'erofs']);
    const view = openView(host.root, {});
    const generation = (await activeGeneration(view))!;
    const suited = await unsuited(view, generation);
    put(host.root, 'usr/lib/modprobe.d/60-blacklist_fs-erofs.conf', 'blacklist erofs\n');

    const now = await unsuited(view, generation);

    assert.equal(suited, undefined);
    assert.match(String(now), /keeps the kernel from loading erofs.*\[image-blacklisted\]/);
  });

  it('refuses a foreign extension with the name of our image', async () => {
    host = treeHost('microos', withSystemd);
    const { first } = await releases();
    put(host.root, 'etc/extensions/.keep', '');
    symlinkSync('/var/lib/theirs.raw', host.path('etc/extensions/kata.raw'));

    const refused = await host.json(['install', first, ...sysext, 'squashfs'], 3);

    assert.equal(refused['code'], 'sysext-name-taken');
    assert.equal(readlinkSync(host.path('etc/extensions/kata.raw')), '/var/lib/theirs.raw');
  });
});

function filesBelow(folder: string, below: string): string[] {
  return execFileSync('find', [below, '-type', 'f'], { cwd: folder, encoding: 'utf8' }).trim().split('\n').sort();
}
