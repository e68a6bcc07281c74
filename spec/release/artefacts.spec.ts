import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { arOf } from '../../scripts/release/ar.ts';
import { bundledPackages, installedAsLocked, lockedPackage } from '../../scripts/release/bundled.ts';
import { controlText, debianChangelog, debianVersion } from '../../scripts/release/debianTexts.ts';
import { installScript } from '../../scripts/release/installScript.ts';
import { gzipped, tarOf } from '../../scripts/release/tools.ts';
import { sha256 } from '../support/digests.ts';
import { removeAfter } from '../support/endings.ts';
import { needs } from '../support/needs.ts';
import { scratch } from '../support/trees/treeHost.ts';

describe('what a release is made of', function () {
  this.timeout(120_000);
  const folder = scratch('release-parts');
  removeAfter(() => folder);

  it('an ar archive is one that ar reads, with members of odd length', function () {
    needs(this, 'ar');
    const members = [
      { name: 'one', bytes: Buffer.from('abc') },
      { name: 'two', bytes: Buffer.from('defg') },
    ];
    const file = join(folder, 'archive.a');

    writeFileSync(file, arOf(members, 1_767_225_600));

    const listed = execFileSync('ar', ['tv', file], { encoding: 'utf8', env: { ...process.env, TZ: 'UTC' } });
    assert.match(listed, /^rw-r--r-- 0\/0 +3 Jan +1 00:00 2026 one\nrw-r--r-- 0\/0 +4 Jan +1 00:00 2026 two\n$/);
    for (const { name, bytes } of members) assert.deepEqual(execFileSync('ar', ['p', file, name]), bytes);
  });

  it('a name that does not fit into an ar archive is refused', () => {
    assert.throws(() => arOf([{ name: 'a-name-of-17-signs', bytes: Buffer.alloc(0) }], 0), RangeError);
  });

  it('an archive has nothing of modes, order and times on the disk', async () => {
    const names = ['m', 'c', 'z', 'k', 'a', 'y', 'b', 'x', 'l', 'd'];
    const digests: string[] = [];
    for (const [name, mode, time] of [
      ['one', 0o600, 1_000_000_000],
      ['two', 0o664, 2_000_000_000],
    ] as const) {
      const place = join(folder, name);
      mkdirSync(place, { recursive: true });
      for (const each of mode === 0o600 ? names : names.toReversed()) {
        writeFileSync(join(place, each), each);
        chmodSync(join(place, each), mode);
        utimesSync(join(place, each), time, time);
      }
      chmodSync(place, mode | 0o100);
      await tarOf(place, join(folder, `${name}.tar`), { seconds: 1_767_225_600, prefix: 'package' });
      digests.push(sha256(readFileSync(await gzipped(join(folder, `${name}.tar`)))));
    }

    const listed = execFileSync('tar', ['-tzf', join(folder, 'one.tar.gz')], { encoding: 'utf8' });
    assert.equal(digests[0], digests[1]);
    assert.equal(listed, ['package/', ...names.toSorted().map((each) => `package/${each}`), ''].join('\n'));
  });

  it('a version before a release is older than it for dpkg', function () {
    needs(this, 'dpkg');
    const versions = ['0.9.0', '1.0.0-rc.1', '1.0.0-rc.2', '1.0.0', '1.0.1'].map(debianVersion);

    const ordered = versions
      .slice(1)
      .map((version, index) => spawnSync('dpkg', ['--compare-versions', versions[index]!, 'lt', version]).status);

    assert.deepEqual(ordered, [0, 0, 0, 0]);
  });

  it('texts of the Debian package say size, version and time', () => {
    const control = controlText({ version: '1.2.3', arch: 'arm64', installedBytes: 1025 });

    assert.match(control, /^Version: 1\.2\.3-1\n(?:.*\n)*Architecture: arm64\nInstalled-Size: 2\n/m);
    assert.match(
      debianChangelog('1.2.3', 1_767_225_600),
      /^kata-sysext \(1\.2\.3-1\) (?:.*\n)+ -- .*> {2}Thu, 01 Jan 2026 00:00:00 \+0000\n$/,
    );
  });

  it('a package is named with licence and digest as package-lock.json has them', () => {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Record<string, { version: string; integrity: string }>;
    };
    const row = lock.packages['node_modules/yaml']!;

    const { name, version, licence, sha512 } = lockedPackage('node_modules/yaml');

    assert.deepEqual([name, version, licence], ['yaml', row.version, 'ISC']);
    assert.equal(`sha512-${Buffer.from(sha512!, 'hex').toString('base64')}`, row.integrity);
    assert.equal(lockedPackage('node_modules/@nornagon/put').licence, undefined, 'MIT/X11 is no expression of SPDX');
    assert.throws(() => lockedPackage('node_modules/no-such-package'), /package-lock\.json has no/);
    const other = scratch('locked');
    mkdirSync(join(other, 'node_modules/yaml'), { recursive: true });
    writeFileSync(join(other, 'node_modules/yaml/package.json'), '{"version":"6.6.6"}');
    assert.throws(() => installedAsLocked('node_modules/yaml', other), /is version 6\.6\.6, and package-lock\.json has/);
  });

  it('every package whose code is in the program has a digest in package-lock.json, which npm ci compares', async () => {
    const bundled = await bundledPackages();

    assert.ok(bundled.length > 40);
    assert.deepEqual(
      bundled.filter(({ sha512 }) => sha512 === undefined || sha512.length !== 128),
      [],
    );
  });

  it('install.sh is made of no name that a shell could take apart', () => {
    for (const name of ['a b', 'a;id', '$(id)', 'a)\n', ''])
      assert.throws(() => installScript('1.2.3', [{ name, sha256: '0'.repeat(64), bytes: 1 }]), /cannot be in a script/);
  });
});
