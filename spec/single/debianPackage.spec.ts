import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../cli/version.ts';
import { makeDeb } from '../../scripts/release/deb.ts';
import type { Arch } from '../../scripts/single/node.ts';
import { debianRoot, type Suite, suiteAvailable } from '../lab/roots.ts';
import { run } from '../lab/run.ts';
import { sha256 } from '../support/digests.ts';
import { removeAfter } from '../support/endings.ts';
import { singleFolder } from '../support/singleFile.ts';
import { scratch } from '../support/trees/treeHost.ts';
import { runInside } from './roots.ts';

const seconds = 1_767_225_600;
const machines: Record<Arch, RegExp> = { x64: /Machine: +Advanced Micro Devices X86-64/, arm64: /Machine: +AArch64/ };

/** The roots of the lab leave documentation out; this package's is wanted. Installs, verifies, removes and purges the package; writes what a root has before, with it, and after. */
const round = `set -e
seen() { find /etc /usr /opt /var /root /home /srv -xdev -printf '%p %y %m %u %g %s %T@ %l\\n' | grep -v -e ' d ' -e '^/var/lib/dpkg/' -e '^/var/log/dpkg.log ' | sort; }
folders() { find /etc /usr /opt /var /root /home /srv -xdev -type d | sort; }
seen >/tmp/before; folders >>/tmp/before
dpkg --path-include='/usr/share/*' --install /share/kata-sysext_*_amd64.deb >&2
seen >/tmp/with
dpkg --verify kata-sysext
kata-sysext --version
dpkg --purge kata-sysext >&2
seen >/tmp/after; folders >>/tmp/after
cmp /tmp/before /tmp/after >&2
diff /tmp/before /tmp/with | sed -n 's/^> \\([^ ]*\\) .*/\\1/p'`;

describe('the Debian package', function () {
  this.timeout(1_800_000);
  let folder: string;
  const packages: Partial<Record<Arch, string>> = {};
  const make = async (arch: Arch, into: string) => {
    mkdirSync(into, { recursive: true });
    const single = await singleFolder();
    return join(into, await makeDeb({ version, arch, single, seconds, level: 1, work: join(folder, 'work'), folder: into }));
  };

  before(async () => {
    folder = scratch('deb');
    for (const arch of ['x64', 'arm64'] as const) packages[arch] = await make(arch, folder);
  });
  removeAfter(() => folder);

  for (const arch of ['x64', 'arm64'] as const)
    it(`for ${arch} has the program of that architecture, by dpkg-deb, and nothing that runs at an installation`, async () => {
      const file = packages[arch]!;
      const out = join(folder, `unpacked-${arch}`);

      await run(['dpkg-deb', '--raw-extract', file, out]);
      const fields = (await run(['dpkg-deb', '--field', file, 'Package', 'Version', 'Architecture'])).stdout;
      const control = (await run(['ls', join(out, 'DEBIAN')])).stdout;
      const program = join(out, 'usr/bin/kata-sysext');
      const head = (await run(['readelf', '--file-header', program])).stdout;
      const original = readFileSync(join(await singleFolder(), `kata-sysext-linux-${arch}`));

      assert.equal(fields, `Package: kata-sysext\nVersion: ${version}-1\nArchitecture: ${arch === 'x64' ? 'amd64' : 'arm64'}\n`);
      assert.equal(control, 'control\nmd5sums\n');
      assert.match(head, machines[arch]);
      assert.equal(sha256(readFileSync(program)), sha256(original));
      await run(['md5sum', '--check', '--strict', 'DEBIAN/md5sums'], { cwd: out });
      await run(['gzip', '-t', join(out, 'usr/share/man/man8/kata-sysext.8.gz')]);
      rmSync(out, { recursive: true });
    });

  it('has files of root that everybody may read, with the time that was given', async () => {
    const { stdout } = await run(['dpkg-deb', '--contents', packages.x64!], { env: { TZ: 'UTC' } });

    const lines = stdout.trim().split('\n');
    assert.ok(lines.length > 15);
    for (const line of lines)
      assert.match(line, /^(?:drwxr-xr-x|-rw-r--r--|-rwxr-xr-x(?=.* \.\/usr\/bin\/kata-sysext$)) 0\/0 +\d+ 2026-01-01 00:00 \.\//);
  });

  it('depends on libraries that have every symbol version which the program asks for', async () => {
    const { stdout: control } = await run(['dpkg-deb', '--field', packages.x64!, 'Depends']);
    const asked: string[] = [];
    for (const arch of ['x64', 'arm64']) {
      const { stdout } = await run(['readelf', '--version-info', '--wide', join(await singleFolder(), `kata-sysext-linux-${arch}`)]);
      asked.push(...[...stdout.matchAll(/Name: (\S+)/g)].map(([, name]) => name!));
    }

    const newest = (family: string) =>
      asked
        .filter((name) => name.startsWith(`${family}_`))
        .map((name) =>
          name
            .slice(family.length + 1)
            .split('.')
            .map(Number),
        )
        .reduce((one, other) => (compare(one, other) < 0 ? other : one));
    // glibc names its versions after itself; GLIBCXX_3.4.21 is GCC 5's.
    assert.match(control, new RegExp(`libc6 \\(>= ${newest('GLIBC').join('\\.')}\\)`));
    assert.deepEqual(newest('GLIBCXX'), [3, 4, 21]);
    assert.match(control, /libstdc\+\+6 \(>= 5\)/);
  });

  it('has the same bytes when it is made again in another time zone and folder', async () => {
    const { TZ } = process.env;
    process.env['TZ'] = 'Asia/Kathmandu';
    try {
      const again = await make('x64', join(folder, 'again'));

      assert.equal(sha256(readFileSync(again)), sha256(readFileSync(packages.x64!)));
    } finally {
      if (TZ === undefined) delete process.env['TZ'];
      else process.env['TZ'] = TZ;
    }
  });

  for (const suite of ['bookworm', 'trixie'] as Suite[])
    it(`is installed, verified and purged by the dpkg of ${suite}, which then has every file as before`, async function () {
      const available = await suiteAvailable(suite);
      if (!available.ok) {
        console.log(`      ${available.why}`);
        this.skip();
      }
      const ran = await runInside(await debianRoot(suite), undefined, ['/bin/sh', '-c', round], { share: folder, env: { LC_ALL: 'C' } });

      const [said, ...paths] = ran.stdout.trim().split('\n');
      assert.equal(said, version);
      assert.deepEqual(
        paths.filter((path) => !path.startsWith('/usr/share/')),
        ['/usr/bin/kata-sysext'],
      );
    });
});

function compare(one: number[], other: number[]): number {
  const at = one.findIndex((number, index) => number !== (other[index] ?? 0));
  return at === -1 ? one.length - other.length : one[at]! - (other[at] ?? 0);
}
