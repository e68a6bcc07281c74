import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireKind } from '../../cli/components/index.ts';
import type { Checked } from '../../cli/components/kinds.ts';
import { diskImage, elfKernel, fileIn } from '../support/components.ts';
import { sha256 } from '../support/digests.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { manifestIn, unpacked, withManifest } from '../support/judges/images.ts';
import { json, run } from '../support/program.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const base = 'kata-qemu-runtime-rs';
const sysext = ['--backend', 'sysext'];
const inImage = 'usr/share/kata/share/kata-sysext/new.kernel';

/** Files of users in images, and where an image cannot keep them. Folders: spec/components/install.spec.ts. */
describe('components in images', function () {
  this.timeout(900_000);
  let folder: string;
  let host: TreeHost;
  let first: string;
  let second: string;
  let kernel: string[];
  const at = (name: string) => join(folder, name);

  before(async () => {
    folder = scratch('images');
    ({ first, second } = await releases());
    kernel = ['--component', `kernel=${fileIn(folder, 'vmlinux-own', elfKernel('own'))}`, '--alias', 'new'];
    await json(['build', first, ...kernel, '-o', at('own.raw')]);
    await json(['build', second, '-o', at('plain.raw')]);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    host = treeHost('microos', (root) => {
      put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\nExecStart=systemd-sysext refresh\n');
      put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
    });
  });
  afterEach(() => host.remove());

  /** All of the engine's files. */
  function wiring(): string {
    const folder = host.path('etc/containerd');
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.toml'));
    return names.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  }

  it('build puts the file in with its digest, twice the same bytes, and inspect names it', async () => {
    await json(['build', first, ...kernel, '-o', at('again.raw')]);

    const image = (await json(['inspect', at('own.raw')])) as unknown as { handlers: { name: string; own?: unknown }[] };
    const text = (await run(['inspect', at('own.raw')])).stdout;
    const digest = `sha256:${sha256(elfKernel('own'))}`;
    assert.deepEqual(
      image.handlers.map(({ name, own }) => [name, own]),
      [
        [base, undefined],
        ['new', { base, files: [{ kind: 'kernel', name: 'vmlinux-own', path: 'share/kata-sysext/new.kernel', digest, sizeBytes: 8192 }] }],
      ],
    );
    assert.match(text, new RegExp(`new {2}\\(qemu, Rust, like ${base}, kernel vmlinux-own ${digest}\\)`));
    assert.equal(sha256(readFileSync(at('own.raw'))), sha256(readFileSync(at('again.raw'))));
    assert.equal(
      unpacked('squashfs', at('own.raw'), (tree) => sha256(readFileSync(join(tree, inImage)))),
      sha256(elfKernel('own')),
    );
  });

  it('install of that image wires the alias, and uninstall leaves the tree as it was', async () => {
    const before = host.fingerprint();

    await host.json(['install', at('own.raw'), ...sysext]);
    const wired = wiring();
    const generation = host.path(readlinkSync(host.path('etc/kata-sysext/current')));
    const text = readFileSync(join(generation, 'config/new/configuration.toml'), 'utf8');
    const verified = await host.json(['verify']);
    const status = JSON.stringify(await host.json(['status']));
    await host.json(['uninstall', '--purge']);

    assert.match(wired, /runtimes\.new\.options\]/);
    assert.match(text, /^kernel = "\/usr\/share\/kata\/share\/kata-sysext\/new\.kernel"$/m);
    assert.deepEqual(verified['drift'], []);
    assert.match(status, /"components":\[\{"handler":"new"/);
    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('an image without the alias is refused where it is installed, and its command takes the alias away', async () => {
    await host.json(['install', at('own.raw'), ...sysext]);
    const before = host.fingerprint(story);

    const refused = await host.json(['install', at('plain.raw')], 4);
    const unchanged = differences(before, host.fingerprint(story));
    const { status } = await run([...String(refused['next']).split(' ').slice(1)]);

    assert.equal(refused['code'], 'component-not-kept');
    assert.deepEqual([unchanged, status], [[], 0]);
    assert.match(wiring(), /runtimes\.kata-qemu-runtime-rs\]/);
    assert.doesNotMatch(wiring(), /runtimes\.new/);
  });

  it('an image takes no further component; an image made here has it', async () => {
    const refused = await host.json(['install', at('own.raw'), ...sysext, ...kernel], 2);

    await host.json(['install', first, ...kernel, ...sysext, '--format', 'squashfs']);
    const verified = await host.json(['verify']);

    assert.match(String(refused['found']), /--component together with an image/);
    assert.deepEqual(verified['drift'], []);
  });

  it('an image that is not merged cannot give its file: the upgrade is refused, and taken with the file named again', async () => {
    await host.json(['install', first, ...kernel, ...sysext, '--format', 'squashfs']);
    const before = host.fingerprint(story);

    const refused = await host.json(['install', second], 4);
    const unchanged = differences(before, host.fingerprint(story));
    const taken = await host.json(['install', second, ...kernel]);

    assert.equal(refused['code'], 'component-not-kept');
    assert.deepEqual([unchanged, taken['to']], [[], 2]);
  });

  const hostile: [what: string, change: (handler: Record<string, unknown>) => unknown][] = [
    ['has the name of a handler of the release', (handler) => ({ ...handler, name: 'kata-clh' })],
    ['has a name that leads elsewhere', (handler) => ({ ...handler, name: '../new' })],
    ['is based on nothing', (handler) => ({ ...handler, own: { base: 'kata-qemu', files: [] } })],
    [
      'says another digest than its contents',
      (handler) => ({ ...handler, own: withFile(handler, { digest: `sha256:${'0'.repeat(64)}` }) }),
    ],
    ['names a file that it does not have', (handler) => ({ ...handler, own: withFile(handler, { path: 'share/none' }) })],
    ['names a place on this machine', (handler) => ({ ...handler, own: withFile(handler, { place: '/etc/shadow' }) })],
  ];
  for (const [what, change] of hostile)
    it(`an image whose alias ${what} is refused`, async () => {
      const bytes = readFileSync(at('own.raw'));
      const { manifest, start } = manifestIn<{ handlers: Record<string, unknown>[] }>(bytes);
      const handlers = manifest.handlers.map((handler) => (handler['name'] === 'new' ? change(handler) : handler));
      writeFileSync(at('hostile.raw'), withManifest(bytes.subarray(0, start), { ...manifest, handlers }));

      const refused = await host.json(['install', at('hostile.raw'), ...sysext], 4);

      rmSync(at('hostile.raw'));
      assert.equal(refused['code'], 'image-damaged');
    });
});

/** The judges are the programs that make such files. */
describe('components that real programs made', function () {
  this.timeout(300_000);
  let folder: string;
  const qemu = { handler: base, hypervisor: 'qemu', architecture: 'x86_64' };

  before(() => {
    folder = scratch('made');
    mkdirSync(join(folder, 'root'));
    writeFileSync(join(folder, 'root/init'), '#!/bin/sh\n');
  });
  after(() => rmSync(folder, { recursive: true }));

  function checked(kind: 'image' | 'initrd', path: string): Promise<Checked> {
    const bytes = readFileSync(path);
    return requireKind(kind, { name: path, sizeBytes: bytes.length, readAt: (at, length) => bytes.subarray(at, at + length) }, qemu);
  }

  for (const [fileSystem, make] of [
    ['ext4', 'truncate -s 4M fs && mke2fs -q -t ext4 -F fs'],
    ['erofs', 'mkfs.erofs --quiet fs root'],
    ['xfs', 'truncate -s 320M fs && mkfs.xfs -q fs'],
  ] as const)
    it(`an image with ${fileSystem} is told by its file system`, async () => {
      sh(folder, `rm -f fs; ${make}; truncate -s 64K fs`);
      const disk = diskImage('ext4');
      const head = disk.subarray(0, 2048 * 512);
      head.writeUInt32LE(128, 446 + 12);
      writeFileSync(join(folder, 'disk'), Buffer.concat([head, readFileSync(join(folder, 'fs'))]));

      const { fileSystem: seen } = await checked('image', join(folder, 'disk'));

      assert.equal(seen, fileSystem);
    });

  for (const [how, make] of [
    ['cpio', 'cat'],
    ['gzip', 'gzip -c'],
    ['zstd', 'zstd -qc'],
    ['xz', 'xz -c --check=crc32'],
  ] as const)
    it(`an initrd by ${how} is one`, async () => {
      sh(folder, `(cd root && echo init | cpio --quiet -o -H newc) | ${make} > initrd; head -c 256 /dev/zero >> initrd`);

      const seen = await checked('initrd', join(folder, 'initrd'));

      assert.deepEqual(seen, {});
    });
});

function sh(cwd: string, script: string): void {
  execFileSync('sh', ['-ec', script], { cwd, env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } });
}

function withFile(handler: Record<string, unknown>, change: Record<string, unknown>): unknown {
  const own = handler['own'] as { files: Record<string, unknown>[] };
  return { ...own, files: own.files.map((file) => ({ ...file, ...change })) };
}
