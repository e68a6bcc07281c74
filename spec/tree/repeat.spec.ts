import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyRelease } from '../lab/release/index.ts';
import { treeNames } from '../support/trees/hostTrees.ts';
import { releases, scratch, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** Inode, size, mode and both times of every path: any write shows. The lock file is written by each command that takes it. */
function inodes(host: TreeHost): string[] {
  const format = '%P|%i|%s|%m|%T@|%C@\\n';
  return execFileSync('find', ['.', '!', '-path', './var/lib/kata-sysext/lock', '-printf', format], { cwd: host.root, encoding: 'utf8' })
    .split('\n')
    .sort();
}

function digestOf(path: string): string {
  return `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
}

describe('a repeated install', () => {
  let host: TreeHost;
  let folder: string;

  beforeEach(() => {
    host = treeHost('fcos');
    folder = scratch('bundle');
  });

  afterEach(() => {
    host.remove();
    rmSync(folder, { recursive: true });
  });

  for (const name of treeNames) {
    it(`${name}: of the same bundle writes nothing`, async () => {
      const { first } = await releases();
      const own = treeHost(name);
      await own.json(['install', first]);
      const before = inodes(own);

      const again = await own.json(['install', first]);
      const named = await own.json(['install', first, '--digest', digestOf(first)]);

      assert.deepEqual(inodes(own), before);
      assert.deepEqual([again['changed'], again['to'], again['bytesWritten'], named['changed']], [false, 1, 0, false]);
      own.remove();
    });
  }

  it('with the digest named still needs the bundle to be there', async () => {
    const { first } = await releases();
    await host.json(['install', first]);

    const refused = await host.json(['install', join(folder, 'missing.tar.zst'), '--digest', digestOf(first)], 4);

    assert.equal(refused['code'], 'bundle-missing');
    assert.equal(refused['next'], `ls -l ${String(refused['subject'])}`);
  });

  it('that wires anew offline is staged, as nothing has proven it', async () => {
    const { first } = await releases();
    const config = host.path('etc/containerd/config.toml');
    const bare = readFileSync(config);
    await host.json(['install', first]);
    writeFileSync(config, bare);

    const again = await host.json(['install', first]);

    const record = JSON.parse(readFileSync(host.path('var/lib/kata-sysext/generations/1/record.json'), 'utf8')) as { state: string };
    assert.deepEqual([again['changed'], record.state], [true, 'staged']);
  });

  it('verify tells of links of the generation that lead elsewhere', async () => {
    const { first } = await releases();
    await host.json(['install', first]);
    for (const link of ['payload', 'config/kata-qemu-runtime-rs/config.d']) {
      const path = join(folderOf(host, 1), link);
      const target = readlinkSync(path);
      rmSync(path);
      symlinkSync('/elsewhere', path);

      const verified = await host.json(['verify'], 1);
      rmSync(path);
      symlinkSync(target, path);

      const drift = verified['drift'] as { subject: string }[];
      assert.ok(
        drift.some(({ subject }) => subject.endsWith(`generations/1/${link}`)),
        link,
      );
    }
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('of the same bundle mends a payload whose bytes were damaged', async () => {
    const { first } = await releases();
    await host.json(['install', first]);
    const [shim] = execFileSync('find', [host.root, '-name', 'containerd-shim-kata-v2', '-type', 'f'], { encoding: 'utf8' }).split('\n');
    const good = readFileSync(shim!);
    writeFileSync(shim!, Buffer.from(good).fill('x'));
    await host.json(['verify'], 1);

    const mended = await host.json(['install', first]);

    assert.equal(mended['changed'], true);
    assert.deepEqual(readFileSync(shim!), good);
    assert.deepEqual((await host.json(['verify']))['drift'], []);
  });

  it('of the same bundle under another name and time writes nothing', async () => {
    const { first } = await releases();
    const copy = join(folder, 'other.tar.zst');
    cpSync(first, copy);
    await host.json(['install', first]);
    const before = inodes(host);

    const again = await host.json(['install', copy]);

    assert.deepEqual(inodes(host), before);
    assert.equal(again['changed'], false);
  });

  it('a dry run writes nothing, before and after the first install', async () => {
    const { first, second } = await releases();
    await host.json(['install', first, '--dry-run']);
    const dryFirst = host.fingerprint();
    const original = treeHost('fcos');
    await host.json(['install', first]);
    const before = inodes(host);
    const plan = await host.json(['install', second, '--dry-run']);
    await host.json(['uninstall', '--dry-run']);

    assert.deepEqual(dryFirst, original.fingerprint());
    assert.deepEqual(withoutTimes(inodes(host)), withoutTimes(before));
    assert.equal(plan['kind'], 'Plan');
    original.remove();
  });

  it('of an archive of the same size and time with one other byte is a new generation', async () => {
    const versions = ['a', 'b'].map((byte) => `a shim that ends with ${byte}\n`);
    const archives: string[] = [];
    for (const [index, shim] of versions.entries()) {
      const path = await tinyRelease(join(folder, String(index)), {
        compression: 'plain',
        files: { 'runtime-rs/bin/containerd-shim-kata-v2': shim },
      });
      utimesSync(path, 1_700_000_000, 1_700_000_000);
      archives.push(path);
    }
    const [a, b] = archives as [string, string];

    const one = await host.json(['install', a]);
    const two = await host.json(['install', b]);

    assert.equal(statSync(a).size, statSync(b).size);
    assert.deepEqual([one['to'], two['to'], two['changed']], [1, 2, true]);
    const installed = readFileSync(join(payload(host, 2), 'runtime-rs/bin/containerd-shim-kata-v2'), 'utf8');
    assert.equal(installed, versions[1]);
  });

  it('of an archive that differs only in what is left out is a new generation of the same payload', async () => {
    const other = await tinyRelease(folder, { files: { 'bin/firecracker': 'another one\n' } });
    const { first } = await releases();
    await host.json(['install', first]);

    const done = await host.json(['install', other]);

    assert.deepEqual([done['to'], done['changed']], [2, true]);
    assert.equal(payload(host, 1), payload(host, 2));
  });

  it('takes the right digest and refuses a wrong one', async () => {
    const { first, second } = await releases();
    await host.json(['install', first]);
    const before = host.fingerprint(story);

    const refused = await host.json(
      ['install', second, '--digest', digestOf(first).replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))],
      4,
    );

    assert.equal(refused['code'], 'bundle-digest');
    assert.deepEqual(host.fingerprint(story), before);
    assert.equal((await host.json(['install', second, '--digest', digestOf(second)]))['to'], 2);
  });

  it('never uses a number twice: after failures, deaths, an uninstall', async () => {
    const { first } = await releases();
    const numbers: unknown[] = [];

    for (const failpoint of [
      'commit/before=error',
      'store/generation/after=error',
      'store/generation/after=kill',
      'step/pointer/after=kill',
    ]) {
      await host.run(['install', first], { env: { KATA_SYSEXT_FAILPOINT: failpoint } });
    }
    numbers.push((await host.json(['install', first]))['to']);
    await host.json(['uninstall']);
    numbers.push((await host.json(['install', first]))['to']);

    assert.deepEqual(numbers, [5, 6]);
  });

  it('rolls back and forth between the same two generations', async () => {
    const { first, second } = await releases();
    await host.json(['install', first]);
    const one = bytesOf(host);
    await host.json(['install', second]);
    const two = bytesOf(host);

    const back = await host.json(['rollback']);
    const atOne = bytesOf(host);
    const forth = await host.json(['rollback']);
    const atTwo = bytesOf(host);

    assert.deepEqual([back['to'], forth['to']], [1, 2]);
    assert.deepEqual([atOne, atTwo], [one, two]);
  });

  it('gives the same modes whatever the umask is', async () => {
    const { first } = await releases();
    const strict = treeHost('fcos');
    await host.json(['install', first]);

    await strict.json(['install', first], 0, { wrapper: ['/bin/sh', '-c', 'umask 0077; exec "$@"', 'sh'] });

    const shape = (tree: TreeHost) => tree.fingerprint().filter((line) => line.startsWith('.'));
    assert.deepEqual(shape(strict), shape(host));
    strict.remove();
  });
});

/** The engine's view: what is in /etc. */
function bytesOf(host: TreeHost): string[] {
  return host.fingerprint().filter((line) => line.includes('./etc/'));
}

/** Where a generation has what engines read: below /usr/local on this ostree host, whose labels a confined engine may read. */
function folderOf(host: TreeHost, number: number): string {
  const manifest = readFileSync(host.path(`var/lib/kata-sysext/generations/${number}/manifest.json`), 'utf8');
  return host.path((JSON.parse(manifest) as { folder: string }).folder.slice(1));
}

function payload(host: TreeHost, number: number): string {
  const link = execFileSync('readlink', [join(folderOf(host, number), 'payload')], { encoding: 'utf8' }).trim();
  return host.path(link.replace(/^\//, ''));
}

/** A dry run stages the release in a folder of ours and removes it: only the times of that folder change. */
function withoutTimes(lines: string[]): string[] {
  return lines.map((line) => line.split('|').slice(0, 4).join('|'));
}
