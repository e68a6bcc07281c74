import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { largeHost, mega } from '../support/trees/largeHost.ts';
import { freeOf, onTmpfs, unmount } from '../support/trees/tmpfs.ts';
import { type TreeHost, treeHost } from '../support/trees/treeHost.ts';

describe('too little room on the disk', function () {
  this.timeout(600_000);
  const made = largeHost();
  let host: TreeHost;
  let first: string;
  let large: string;
  beforeEach(() => {
    ({ host, first, large } = made);
  });

  it('what does not fit is refused while it is unpacked, with nothing left', async () => {
    const path = onTmpfs(host, 'var', 24 * mega);
    const before = host.fingerprint();

    const refused = await host.json(['install', large], 3);
    const checked = await host.json(['check', large], 3);

    const after = host.fingerprint();
    unmount(path);
    assert.equal(refused['code'], 'host-space', JSON.stringify(refused));
    assert.match(String(refused['next']), /^free some: df -h \S*\/var/);
    assert.deepEqual(differences(before, after), []);
    const blockers = (checked['findings'] as { code: string; level: string; subject: string }[]).filter(({ level }) => level === 'blocker');
    assert.deepEqual(
      blockers.map(({ code, subject }) => [code, subject]),
      [['host-space', '/var']],
    );
    assert.ok(Number((checked['bundle'] as { unpackedBytes: number }).unpackedBytes) >= 24 * mega);
  });

  it('a kubelet’s threshold counts, for install and check, may be allowed, and does not keep a rollback back', async () => {
    await host.json(['install', first]);
    await host.json(['install', first, '--set', 'default_memory=3000']);
    put(
      host.root,
      'var/lib/kubelet/config.yaml',
      'kind: KubeletConfiguration\nevictionHard: {nodefs.available: 90%, imagefs.available: 1%}\n',
    );
    const path = onTmpfs(host, 'var', 256 * mega);
    put(host.root, 'var/filler', Buffer.alloc(40 * mega));

    const refused = await host.json(['install', large], 3);
    const checked = await host.json(['check', large], 3);
    const allowed = await host.json(['install', large, '--allow', 'host-space-kubelet', '--dry-run']);
    const back = await host.json(['rollback']);
    for (const memory of [3001, 3002]) await host.json(['configure', '--set', `default_memory=${memory}`]);
    const withOld = await host.json(['install', large], 3);
    const gone = (await host.json(['gc'])) as { freedBytes?: number };

    unmount(path);
    assert.match(String(refused['next']), /^free some: df -h \S+\/var; or override the check: --allow host-space-kubelet$/);
    const [told] = (checked['findings'] as { code: string; next: string }[]).filter(({ code }) => code === 'host-space-kubelet');
    assert.equal(told?.next, refused['next']);
    assert.match(String(withOld['next']), /^free some: kata-sysext gc .*\(frees [\d.]+ kB\); df -h /);
    assert.ok((gone.freedBytes ?? 0) > 0);
    assert.equal(refused['code'], 'host-space-kubelet', JSON.stringify(refused));
    assert.match(String(refused['needed']), /nodefs\.available 90% \(\/var\/lib\/kubelet\/config\.yaml\)/);
    assert.ok((checked['findings'] as { code: string }[]).some(({ code }) => code === 'host-space-kubelet'));
    assert.ok(
      (allowed['findings'] as { code: string; level: string }[]).some(
        (each) => each.code === 'host-space-kubelet' && each.level === 'warning',
      ),
    );
    assert.equal(back['changed'], true);
  });

  it('an install leaves the node above the garbage collection of images, or is not made', async () => {
    mkdirSync(host.path('var/lib/containerd'), { recursive: true });
    put(host.root, 'usr/bin/kubelet', '');
    const results: [free: number, code: unknown][] = [];

    // The payload takes some 26 MB of 200; 16 % have to stay free at kubelet's default of 85.
    for (const filler of [100, 150, 160]) {
      const each = host.copy();
      const path = onTmpfs(each, 'var', 200 * mega);
      put(each.root, 'var/filler', Buffer.alloc(filler * mega));
      const { stdout } = await each.run(['install', large, '--json']);
      results.push([freeOf(path) / (200 * mega), (JSON.parse(stdout) as { code?: string }).code]);
      unmount(path);
      each.remove();
    }

    for (const [free, code] of results) assert.ok(code === 'host-space-kubelet' || free >= 0.16, JSON.stringify(results));
    assert.deepEqual(
      results.map(([, code]) => code),
      [undefined, 'host-space-kubelet', 'host-space-kubelet'],
    );
  });

  it('a tree that shares the machine’s own file system has no kubelet to heed', async () => {
    put(host.root, 'var/lib/kubelet/config.yaml', 'kind: KubeletConfiguration\nevictionHard: {nodefs.available: 99.99%}\n');

    const done = await host.json(['install', first]);

    assert.equal(done['changed'], true);
  });

  it('too few inodes are refused', async () => {
    const path = onTmpfs(host, 'var', 64 * mega, ',nr_inodes=60');

    const refused = await host.json(['install', first], 3);

    unmount(path);
    assert.equal(refused['code'], 'host-space', JSON.stringify(refused));
    assert.match(String(refused['found']), /inodes/);
    assert.match(String(refused['next']), /df -i /);
  });

  it('a read-only file system is refused with a code, also by check', async () => {
    const path = host.path('var');
    execFileSync('mount', ['--bind', path, path]);
    execFileSync('mount', ['-o', 'remount,bind,ro', path]);

    const refused = await host.json(['install', first], 3);
    const removal = await host.json(['uninstall'], 3);
    const checked = await host.json(['check'], 3);

    unmount(path);
    assert.deepEqual([refused['code'], removal['code']], ['host-read-only', 'host-read-only']);
    // The mount itself, which has the device of what it lies on, and words that make it writable again.
    assert.equal(refused['next'], `findmnt -T ${path}/lib; mount -o remount,bind,rw ${path}`);
    assert.equal(refused['found'], `/var/lib/kata-sysext lies on ${path}, which is mounted read-only`);
    assert.ok((checked['findings'] as { code: string }[]).some(({ code }) => code === 'host-read-only'));
  });

  it('a payload folder on a read-only file system is refused with a code', async () => {
    const ostree = treeHost('fcos');
    const path = ostree.path('var/usrlocal');
    execFileSync('mount', ['--bind', path, path]);
    execFileSync('mount', ['-o', 'remount,bind,ro', path]);

    const refused = await ostree.json(['install', first], 3);

    unmount(path);
    ostree.remove();
    assert.equal(refused['code'], 'host-read-only');
  });
});
