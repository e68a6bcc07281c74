import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { etcState, machineMountOf, volatileMount, writableAgain } from '../../cli/facts/index.ts';
import { openView } from '../../cli/host/index.ts';

const ext4 = '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw';
const run = '25 22 0:24 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw,mode=755';
const persistentVar = '30 22 8:2 / /var rw,relatime shared:9 - ext4 /dev/vda2 rw';
const composefs =
  '22 1 0:30 / / ro,relatime shared:1 - overlay composefs ro,lowerdir+=/run/ostree/.private/cfsroot-lower,redirect_dir=on,metacopy=on';

/** What the kernel's table says of hosts as they boot: the mounts of /, /etc and what an upper folder lies on. */
const rows: { title: string; table: string[]; container?: boolean; transient: boolean; anew?: string }[] = [
  { title: 'a host with one file system', table: [ext4, run], transient: false },
  {
    title: 'systemd.volatile=state',
    table: [ext4, run, '30 22 0:50 / /var rw,nosuid - tmpfs tmpfs rw,mode=755'],
    transient: false,
    anew: '/var',
  },
  {
    title: 'ostree without composefs',
    table: [
      ext4.replace(' / / ', ' /ostree/deploy/fcos/deploy/abc.0 / '),
      '24 22 8:1 /ostree/deploy/fcos/deploy/abc.0/usr /usr ro - ext4 /dev/vda1 rw',
      run,
    ],
    transient: false,
  },
  {
    title: 'composefs, where /etc is a mount of its own',
    table: [composefs, '24 22 8:1 /ostree/deploy/fcos/deploy/abc.0/etc /etc rw,relatime shared:3 - ext4 /dev/vda1 rw', run],
    transient: false,
  },
  {
    title: 'composefs with a transient root, whose /etc and /var stay',
    table: [
      composefs.replace('ro,lowerdir+=', 'rw,upperdir=/run/ostree/.private/root-transient/upper,lowerdir+='),
      '24 22 8:1 /ostree/deploy/fcos/deploy/abc.0/etc /etc rw,relatime shared:3 - ext4 /dev/vda1 rw',
      run,
      persistentVar,
    ],
    transient: false,
  },
  {
    title: 'ostree with a transient /etc',
    table: [
      composefs,
      '24 22 0:41 / /etc rw - overlay overlay rw,lowerdir=/sysroot.tmp/usr/etc,upperdir=/run/ostree/transient-etc/upper,workdir=/run/x',
      run,
    ],
    transient: true,
  },
  {
    title: 'bootc on composefs without ostree, with a transient /etc',
    table: [composefs, '24 22 0:41 / /etc rw - overlay transient rw,lowerdir+=/etc,upperdir=/upper,workdir=/work', run],
    transient: true,
  },
  {
    title: 'Flatcar, whose /etc is an overlay on the root',
    table: [
      ext4,
      '24 22 0:41 / /etc rw - overlay overlay rw,lowerdir=/sysroot/usr/share/flatcar/etc,upperdir=/sysroot/etc,workdir=/sysroot/.etc-work',
      run,
    ],
    transient: false,
  },
  {
    title: 'MicroOS, whose /etc is an overlay in /var',
    table: [
      '22 1 0:33 /@/.snapshots/7/snapshot / ro,relatime shared:1 - btrfs /dev/vda3 ro,subvol=/@/.snapshots/7/snapshot',
      '24 22 0:41 / /etc rw - overlay overlay rw,lowerdir=/sysroot/var/lib/overlay/6/etc:/sysroot/etc,upperdir=/sysroot/var/lib/overlay/7/etc,workdir=/sysroot/var/lib/overlay/work-etc',
      run,
    ],
    transient: false,
  },
  { title: 'a tmpfs on /etc', table: [ext4, '24 22 0:41 / /etc rw - tmpfs tmpfs rw', run], transient: true },
  {
    title: 'systemd.volatile=overlay with a persistent /var',
    table: [
      '22 1 0:31 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/sysroot,upperdir=/run/systemd/overlay-sysroot/upper,workdir=/run/systemd/overlay-sysroot/work',
      run,
      persistentVar,
    ],
    transient: true,
  },
  {
    title: 'systemd.volatile=yes with a persistent /var',
    table: [
      '22 1 0:31 / / rw,relatime shared:1 - tmpfs tmpfs rw,mode=755',
      '24 22 8:1 /usr /usr ro - ext4 /dev/vda1 rw',
      run,
      persistentVar,
    ],
    transient: true,
  },
  {
    title: 'a live system, whose upper folder is on a tmpfs that is not below /run',
    table: [
      '22 1 0:31 / / rw - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/root-rw/overlay-workdir/_',
      '23 22 0:29 / /media/root-rw rw - tmpfs tmpfs-root rw',
      run,
    ],
    transient: true,
    anew: '/',
  },
  {
    title: 'an overlay on a disk, kept over boots',
    table: [
      '22 1 0:31 / / rw - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/root-rw/overlay-workdir/_',
      '23 22 8:3 / /media/root-rw rw - ext4 /dev/vda3 rw',
      run,
    ],
    transient: false,
  },
  { title: 'a system that runs from its initramfs', table: ['1 1 0:2 / / rw - rootfs rootfs rw', run], transient: true, anew: '/' },
  {
    title: 'a container on a tmpfs of its engine’s',
    table: ['22 1 0:31 / / rw - overlay overlay rw,lowerdir=/x,upperdir=/run/containers/upper,workdir=/run/containers/work', run],
    container: true,
    transient: false,
  },
  {
    title: 'a container with a tmpfs on /etc',
    table: [ext4, '24 22 0:41 / /etc rw - tmpfs tmpfs rw', run],
    container: true,
    transient: true,
  },
];

describe('whether what is written to /etc and to our folder stays', () => {
  let root: string;
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-mounts-'));
    mkdirSync(join(root, 'etc'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  for (const { title, table, container = false, transient, anew } of rows)
    it(`${title}: ${transient ? 'no' : 'yes'}`, async () => {
      put('proc/self/mountinfo', `${table.join('\n')}\n`);
      if (container) put('run/systemd/container', 'systemd-nspawn\n');

      const state = await etcState({ ...openView(root, {}), booted: true });

      assert.deepEqual(state, { known: true, value: { writable: true, transient }, source: '/proc/self/mountinfo' });
      assert.equal(await volatileMount({ ...openView(root, {}), booted: true }, '/var/lib/kata-sysext'), anew);
    });

  const readOnly: [title: string, table: string[], point: string, options: string][] = [
    ['a bind mount of the same device', [ext4, '30 22 8:1 /var /var ro,relatime - ext4 /dev/vda1 rw'], '/var', 'remount,bind,rw'],
    [
      'a disk that the kernel remounted',
      [ext4, '30 22 8:2 / /var ro,relatime - ext4 /dev/vda2 ro,errors=remount-ro'],
      '/var',
      'remount,rw',
    ],
    ['the root', ['22 1 8:1 / / ro,relatime - ext4 /dev/vda1 ro', run], '/', 'remount,rw'],
    ['a folder with another one’s name in front', [ext4, '30 22 8:2 / /var/li ro - ext4 /dev/vda2 rw'], '/', 'remount,rw'],
  ];
  for (const [title, table, point, options] of readOnly)
    it(`what is remounted to write again: ${title}`, async () => {
      put('proc/self/mountinfo', `${table.join('\n')}\n`);

      const mount = await machineMountOf({ ...openView(root, {}), booted: true }, '/var/lib');

      assert.deepEqual([mount?.point, writableAgain(mount!)], [point, options]);
    });
});
