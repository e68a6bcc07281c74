import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { version } from '../../cli/version.ts';
import { SECOND, tinyRelease } from '../lab/release/index.ts';
import { bootable, failAt, judged, killedAt, pointsOf } from '../support/faults/crash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { json } from '../support/program.ts';
import { loopMs, sample } from '../support/sample.ts';
import { singleFile } from '../support/singleFile.ts';
import { put, type TreeName } from '../support/trees/hostTrees.ts';
import { releases, scratch, story, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** Where the copy lies, by the kind of host: below /usr/local where labels count. */
const places: [TreeName, string][] = [
  ['fcos', 'usr/local/libexec/kata-sysext'],
  ['flatcar', 'var/lib/kata-sysext'],
];
const manifest = `var/lib/kata-sysext/programs/${version}.json`;
const copy = `usr/local/libexec/kata-sysext/bin/${version}/kata-sysext`;

describe('the program keeps a copy of itself on the host', function () {
  this.timeout(loopMs);
  let file: string;
  let first: string;
  let second: string;
  let host: TreeHost;

  before(async () => {
    file = await singleFile();
    ({ first, second } = await releases());
  });
  afterEach(() => host.remove());

  for (const [name, root] of places) {
    it(`on ${name} below /${root}: the very bytes that ran, which run there; uninstall leaves the tree as it was`, async () => {
      host = treeHost(name, undefined, { file });
      const before = host.fingerprint();
      const path = `${root}/bin/${version}/kata-sysext`;

      await host.json(['install', first]);
      const { programs } = await host.json(['status']);
      const { stdout } = await host.run(['status']);
      const once = host.fingerprint(story);
      const again = await host.json(['install', first]);
      const twice = host.fingerprint(story);
      await host.json(['install', second]);
      await host.json(['rollback']);
      const runs = execFileSync(host.path(path), ['status', '--root', host.root], { encoding: 'utf8' });
      const same = sha256(host.path(path)) === sha256(file);
      const sizeBytes = statSync(host.path(path)).size;
      const { steps } = (await host.json(['uninstall', '--dry-run'])) as { steps: { text: string }[] };
      const gone = await host.json(['uninstall', '--purge']);

      assert.deepEqual(programs, [{ version, path: `/${path}`, sizeBytes }]);
      assert.ok(
        steps.some(({ text }) => text.startsWith(`remove the copy of kata-sysext ${version}, /${path} (`)),
        'the plan names it',
      );
      assert.ok(stdout.includes(`program ${version}: /${path}`), stdout);
      assert.ok(once.includes(`./${real(path)}|f|755|0:0|`), 'an executable file of root');
      assert.equal(again['changed'], false);
      assert.deepEqual(differences(once, twice), []);
      assert.match(runs, /● 1 /);
      assert.ok(same);
      assert.deepEqual(gone['findings'], [], 'its own copy is no file of somebody else');
      assert.deepEqual(differences(before, host.fingerprint()), []);
    });
  }

  it('not from a checkout or the npm package, which need Node beside them', async () => {
    host = treeHost('fcos');

    await host.json(['install', first]);

    assert.deepEqual((await host.json(['status']))['programs'], []);
    assert.equal(existsSync(host.path('usr/local/libexec/kata-sysext/bin')), false);
  });

  it('not on a host of another architecture', async () => {
    host = treeHost('fcos', undefined, { file });
    const folder = scratch('arm64');
    const head = readFileSync(host.path('usr/lib/systemd/systemd'));
    head.writeUInt16LE(183, 18);
    put(host.root, 'usr/lib/systemd/systemd', head, 0o755);
    const arm64 = await tinyRelease(folder, { version: SECOND, files: { 'runtime-rs/bin/containerd-shim-kata-v2': head } });

    await host.json(['install', arm64]);

    assert.deepEqual((await host.json(['status']))['programs'], []);
    assert.equal(existsSync(host.path('usr/local/libexec/kata-sysext/bin')), false);
    rmSync(folder, { recursive: true });
  });

  it('a dry run and a refused install keep none', async () => {
    host = treeHost('fcos', undefined, { file });
    const before = host.fingerprint();

    await host.run(['install', first, '--dry-run']);
    await host.run(['install', first, '--handler', 'clh']);

    assert.deepEqual(differences(before, host.fingerprint()), []);
  });

  it('an older version stays as long as a generation was made by it', async () => {
    host = treeHost('fcos', undefined, { file });
    const folder = scratch('third');
    const third = await tinyRelease(folder, { version: SECOND, files: { 'libexec/virtiofsd': 'a third one\n' } });
    const bin = host.path('usr/local/libexec/kata-sysext/bin');
    await host.json(['install', first]);
    agedTo(host, '0.0.9');

    await host.json(['install', second]);
    const both = readdirSync(bin);
    await host.json(['install', third]);
    await host.json(['gc', '--keep', '0']);
    const one = [readdirSync(bin), readdirSync(host.path('var/lib/kata-sysext/programs'))];

    assert.deepEqual(both, ['0.0.9', version]);
    assert.deepEqual(one, [[version], [`${version}.json`]]);
    rmSync(folder, { recursive: true });
  });

  it('the guard of an older generation is the program that went back to it, and stays as long as it guards', async () => {
    host = treeHost('fcos', undefined, { file });
    const bin = host.path('usr/local/libexec/kata-sysext/bin');
    await host.json(['install', first]);
    agedTo(host, '0.0.9');
    await host.json(['install', second]);

    await host.json(['rollback']);
    await host.json(['gc', '--keep', '0']);

    assert.deepEqual(guards(host), [version, version, version]);
    assert.deepEqual(readdirSync(bin), ['0.0.9', version]);
  });

  it('the guard stays the newest program when an older one makes a change', async () => {
    host = treeHost('fcos', undefined, { file });
    const bin = host.path('usr/local/libexec/kata-sysext/bin');
    await host.json(['install', first]);
    agedTo(host, '1.10.0');

    await host.json(['install', second]);
    await host.json(['gc', '--keep', '0']);

    assert.deepEqual(guards(host), ['1.10.0', '1.10.0', '1.10.0']);
    assert.deepEqual(readdirSync(bin), [version, '1.10.0']);
  });

  it('no older program guards what a newer one, of which no copy is kept, made active', async () => {
    host = treeHost('fcos', undefined, { file });
    const plain = treeHost('fcos');
    await host.json(['install', first]);
    agedTo(host, '0.0.9');

    await json(['install', second, '--root', host.root, ...plain.flags.slice(2)]);
    plain.remove();

    assert.deepEqual(guards(host), []);
  });

  it('verify names a copy that is damaged or gone, and an install of the same bundle mends it', async () => {
    host = treeHost('fcos', undefined, { file });
    await host.json(['install', first]);
    const good = judged(host);

    for (const damage of [
      () => writeFileSync(host.path(copy), 'damaged\n'),
      () => chmodSync(host.path(copy), 0o644),
      () => rmSync(host.path(copy)),
    ]) {
      damage();
      const drifted = await host.json(['verify'], 1);
      const mended = await host.json(['install', first]);

      assert.ok(JSON.stringify(drifted['drift']).includes(`/${copy}`));
      assert.equal(mended['changed'], true);
      assert.deepEqual(differences(good, judged(host)), []);
    }
  });

  it('somebody else’s file at its place is refused; one of the same bytes is left to them, and stays', async () => {
    host = treeHost('fcos', undefined, { file });
    put(host.root, copy, '#!/bin/sh\n', 0o755);
    const before = host.fingerprint();

    const refused = await host.json(['install', first], 3);
    const untouched = host.fingerprint();
    copyFileSync(file, host.path(copy));
    await host.json(['install', first]);
    const { programs } = await host.json(['status']);
    const gone = await host.json(['uninstall', '--purge']);

    assert.equal(refused['code'], 'foreign-file');
    assert.deepEqual(differences(before, untouched), []);
    assert.deepEqual(programs, []);
    assert.equal(sha256(host.path(copy)), sha256(file));
    assert.ok((gone['findings'] as { subject: string }[]).some(({ subject }) => subject === `/${copy}`));
  });

  it('a disk without room for it: refused, and as before', async () => {
    host = treeHost('fcos', undefined, { file });
    const path = host.path('var/usrlocal');
    const old = judged(host);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=755', 'kata-sysext-spec', path]);
    try {
      const refused = await host.json(['install', first], 3);

      assert.equal(refused['code'], 'host-space', JSON.stringify(refused));
      assert.deepEqual(readdirSync(path), []);
    } finally {
      execFileSync('umount', ['--lazy', path]);
    }
    assert.deepEqual(differences(old, judged(host)), []);
  });

  for (const [verb, before, args] of [
    ['install', 0, 'install'],
    ['uninstall', 1, 'uninstall --purge'],
  ] as const) {
    it(`${verb}: killed at any of its failpoints, then recover: the old or the new tree`, async () => {
      host = treeHost('fcos', undefined, { file });
      if (before > 0) await host.json(['install', first]);
      const words = before > 0 ? args.split(' ') : [args, first];
      const tried = host.copy();
      const points = await pointsOf(tried, words);
      const allowed = [judged(host), judged(tried)];
      tried.remove();
      const own = points.filter((point) => point.startsWith('program/'));
      const others = points.filter((point) => !own.includes(point));

      const problems: string[] = [];
      for (const point of [...own, ...sample(others, 1, `program ${verb}`)])
        problems.push(...(await killedAt(host, words, failAt(point, 'kill'), allowed, { killed: bootable })));

      assert.deepEqual(
        own,
        before > 0
          ? ['program/drop/between@1']
          : ['program/copy/before@1', 'program/copy/written@1', 'program/copy/noted@1', 'program/copy/placed@1'],
      );
      assert.deepEqual(problems, []);
    });
  }
});

/** Versions that the units of the boot guard run. */
function guards(host: TreeHost): string[] {
  const folder = host.path('etc/systemd/system');
  const units = existsSync(folder) ? readdirSync(folder).filter((name) => /^kata-sysext-\w+\.service$/.test(name)) : [];
  return units.map((name) => /ExecStart=\S*\/bin\/([^/]+)\//.exec(readFileSync(join(folder, name), 'utf8'))?.[1] ?? 'none');
}

/** As if a program of that version had made generation 1. */
function agedTo(host: TreeHost, old: string): void {
  const rename = (from: string, to: string, text: (before: string) => string) => {
    const before = readFileSync(host.path(from), 'utf8');
    rmSync(host.path(from));
    writeFileSync(host.path(to), text(before));
  };
  const to = copy.replace(version, old);
  mkdirSync(dirname(host.path(to)));
  renameSync(host.path(copy), host.path(to));
  rmSync(dirname(host.path(copy)), { recursive: true });
  rename(manifest, manifest.replace(version, old), (text) => text.replace(`"version": "${version}"`, `"version": "${old}"`));
  const generation = 'var/lib/kata-sysext/generations/1/manifest.json';
  rename(generation, generation, (text) => text.replace(`"program": "${version}"`, `"program": "${old}"`));
}

/** /usr/local of an ostree host is a link. */
function real(path: string): string {
  return path.replace(/^usr\/local\//, 'var/usrlocal/');
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
