import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { deploymentOf } from '../../cli/facts/index.ts';
import { openView } from '../../cli/host/index.ts';

const [sha256, sha512, other] = ['1a'.repeat(32), '2b'.repeat(64), '3c'.repeat(64)];
const root = '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw';
const snapshot = '22 1 0:33 /@/.snapshots/7/snapshot / ro,relatime shared:1 - btrfs /dev/vda3 ro,subvol=/@/.snapshots/7/snapshot';

/** The kernel's command line, its mount of the root, and which images of composefs have an /etc. */
const rows: { title: string; line: string; mount?: string; images?: string[]; deployment: string }[] = [
  { title: 'a host with one tree', line: 'BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro quiet', deployment: 'single' },
  { title: 'ostree', line: 'ostree=/ostree/boot.1/os/c0ffee/0 root=UUID=1', deployment: 'abc.0' },
  { title: 'ostree on composefs', line: `composefs=${sha512} ostree=/ostree/boot.1/os/c0ffee/0`, deployment: 'abc.0' },
  {
    title: 'a snapshot of MicroOS',
    line: 'root=UUID=1 rootflags=subvol=@/.snapshots/7/snapshot',
    mount: snapshot,
    deployment: 'snapshot-7',
  },
  { title: 'an image of composefs', line: `rw composefs=${sha512}\n`, images: [sha512, other], deployment: sha512 },
  { title: 'with optional verity', line: `rw composefs=?${sha512} quiet`, images: [sha512, other], deployment: sha512 },
  { title: 'with SHA-256', line: `composefs=${sha256}`, deployment: sha256 },
  { title: 'by the newer argument', line: `composefs.digest=v1-sha256-12:${sha256} rw`, images: [sha256], deployment: sha256 },
  {
    title: 'by the newer arguments, of which the first that is there counts',
    line: `composefs=${other} composefs.digest=?v1-sha256-12:${sha256} composefs.digest=?v2-sha512-12:${sha512}`,
    images: [sha512, other],
    deployment: sha512,
  },
  { title: 'a setting of ostree’s that is no image', line: 'ostree.prepare-root.composefs=0 composefs= root=UUID=1', deployment: 'single' },
];

describe('the deployment that is booted', () => {
  let tree: string;
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  };

  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), 'kata-sysext-boot-'));
    mkdirSync(join(tree, 'ostree/boot.1/os/c0ffee'), { recursive: true });
    symlinkSync('../../../deploy/os/deploy/abc.0', join(tree, 'ostree/boot.1/os/c0ffee/0'));
  });
  afterEach(() => rmSync(tree, { recursive: true, force: true }));

  for (const { title, line, mount = root, images = [], deployment } of rows)
    it(`${title}: ${deployment.slice(0, 12)}`, async () => {
      put('proc/cmdline', line);
      put('proc/self/mountinfo', `${mount}\n`);
      for (const image of images) mkdirSync(join(tree, 'sysroot/state/deploy', image, 'etc'), { recursive: true });

      const seen = await deploymentOf({ ...openView(tree, {}), booted: true });

      assert.equal(seen, deployment);
    });
});
