import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tarOf, tinyMembers, writeArchive } from '../lab/release/index.ts';
import { type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const script = Buffer.from('#!/bin/sh\n');

describe('where a payload has the files of a release', function () {
  this.timeout(600_000);
  let folder: string;
  let host: TreeHost;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-places-'));
  });
  beforeEach(() => {
    host = treeHost('microos');
  });
  afterEach(() => host.remove());
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** An archive of the tiny release with some members more. */
  async function archive(name: string, more: { path: string; mode?: number; target?: string }[]): Promise<string> {
    const added = more.map(({ path, mode = 0o755, target }) =>
      target === undefined
        ? { path: `./opt/kata/${path}`, kind: 'file' as const, bytes: script, mode }
        : { path: `./opt/kata/${path}`, kind: 'link' as const, target },
    );
    const file = join(folder, `${name}.tar.zst`);
    await writeArchive(file, tarOf([...tinyMembers(), ...added]));
    return file;
  }

  /** Everything below the payload's own tree, but folders: `PATH` or `PATH -> TARGET`. */
  function stored(): string[] {
    const [tree] = execFileSync('find', [host.root, '-path', '*/tree/*/usr/share/kata', '-type', 'd'], { encoding: 'utf8' }).split('\n');
    const said = execFileSync('find', ['.', '-type', 'f', '-printf', '%P\n', '-o', '-type', 'l', '-printf', '%P -> %l\n'], {
      cwd: tree,
      encoding: 'utf8',
    });
    return said.trim().split('\n').sort();
  }

  it('programs lie in bin, libraries in lib, with links where QEMU looks for them; verify agrees, and nothing of libexec stays', async () => {
    const bundle = await archive('odd', [
      { path: 'share/kata-qemu/qemu/helper' },
      { path: 'share/kata-qemu/qemu/notes', mode: 0o644 },
      { path: 'share/kata-qemu/qemu/shortcut', target: '../../../libexec/virtiofsd' },
    ]);

    await host.json(['install', bundle]);

    const files = stored();
    const verified = await host.json(['verify']);
    const config = readFileSync(host.path('var/lib/kata-sysext/generations/1/config/kata-qemu-runtime-rs/configuration.toml'), 'utf8');
    for (const path of [
      'bin/virtiofsd',
      'share/kata-qemu/bin/helper',
      'share/kata-qemu/qemu/helper -> ../bin/helper',
      'share/kata-qemu/qemu/notes',
      'share/kata-qemu/qemu/shortcut -> ../../../bin/virtiofsd',
      'bin/qemu-bundle -> ../share/qemu-bundle',
      'share/qemu-bundle/opt/kata/share/kata-qemu/qemu -> ../../../../../kata-qemu/qemu',
    ])
      assert.ok(files.includes(path), `${path} is not among\n${files.join('\n')}`);
    assert.deepEqual(
      files.filter((path) => path.includes('libexec')),
      [],
    );
    assert.match(config, /^virtio_fs_daemon = "\/.*\/usr\/share\/kata\/bin\/virtiofsd"$/m);
    assert.match(config, /^valid_virtio_fs_daemon_paths = \["\/.*\/usr\/share\/kata\/bin\/virtiofsd"\]$/m);
    assert.deepEqual(verified['drift'], []);
    await host.json(['uninstall', '--purge']);
  });

  it('a release in which two files would get one name is refused by install and by check, and leaves nothing', async () => {
    const bundle = await archive('twice', [{ path: 'bin/virtiofsd' }]);
    const before = host.fingerprint();

    const refused = await host.json(['install', bundle], 4);

    const checked = await host.run(['check', bundle, '--json']);
    const { bundle: offers } = JSON.parse(checked.stdout) as { bundle?: { handlers: { name: string; findings: { code: string }[] }[] } };
    const codes = offers?.handlers.find(({ name }) => name === 'kata-qemu-runtime-rs')?.findings.map(({ code }) => code);
    assert.equal(refused['code'], 'bundle-name-taken');
    assert.match(String(refused['found']), /libexec\/virtiofsd and bin\/virtiofsd of the release would both be bin\/virtiofsd/);
    assert.ok(codes?.includes('bundle-name-taken'), checked.stdout.slice(0, 3000));
    assert.deepEqual(host.fingerprint(), before);
  });
});
