import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hostChecks, readScene, runChecks, type Scene } from '../../cli/backends/overlay/checks.ts';
import { mountsOnUsr, overlaidPayload, overlaySource } from '../../cli/backends/overlay/mount.ts';
import { isOurUnit, unitText } from '../../cli/backends/overlay/paths.ts';
import { type HostView, openView } from '../../cli/host/index.ts';

const hex = 'a'.repeat(64);
const base = '24 1 8:2 / /usr ro,relatime shared:1 - ext4 /dev/sda2 ro';
const mine = `150 24 0:75 / /usr ro,nodev,relatime shared:90 - overlay ${overlaySource} ro,lowerdir=/usr:/etc/kata-sysext/overlay`;
const theirs = '151 150 0:76 / /usr ro,relatime shared:91 - overlay sysext ro,lowerdir=/run/x:/usr';

/** A live host of which nothing is asked but its mount table. */
function hostWith(table: string[]): HostView {
  return {
    live: true,
    booted: true,
    readText: async () => ['1 0 8:1 / / rw - ext4 /dev/sda1 rw', ...table, ''].join('\n'),
  } as unknown as HostView;
}

describe('mounts on /usr', () => {
  it('are told from the lowest to the uppermost, in whatever order the kernel lists them', async () => {
    const orders = [
      [base, mine, theirs],
      [theirs, mine, base],
      [mine, theirs, base],
    ];

    const seen = await Promise.all(orders.map(async (table) => (await mountsOnUsr(hostWith(table))).map(({ source }) => source)));

    assert.deepEqual(
      seen,
      orders.map(() => ['/dev/sda2', overlaySource, 'sysext']),
    );
  });

  it('none of ours is shown where another one lies on top, or where there is none', async () => {
    const elsewhere = mine.replace(' /usr ', ' /srv ');

    const shown = await Promise.all([[base], [base, mine, theirs], [elsewhere]].map((table) => overlaidPayload(hostWith(table))));

    assert.deepEqual(shown, ['absent', 'absent', 'absent']);
  });
});

describe('an overlay on a /usr that can be written', () => {
  const facts = {} as NonNullable<Scene['facts']>;
  const found = async (table: string[]) => {
    const host = hostWith(table);
    const scene: Scene = { host, foreign: [], onUsr: await mountsOnUsr(host), facts };
    const writable = hostChecks.find(({ name }) => name === 'writableUsr')!;
    return (await writable(scene)).map(({ code, level }) => `${level} ${code}`);
  };

  it('is a warning, whether /usr is a mount or a part of the root, and none where /usr is read-only', async () => {
    const [root, mount, immutable, underOurs] = [
      await found([]),
      await found([base.replaceAll('ro', 'rw')]),
      await found([base]),
      await found([base, mine]),
    ];

    assert.deepEqual([root, mount], [['warning overlay-usr-read-only'], ['warning overlay-usr-read-only']]);
    assert.deepEqual([immutable, underOurs], [[], []]);
  });
});

describe('the unit of the overlay', () => {
  const text = unitText();

  it('runs nothing of ours, knows its mount by the source that the program looks for, and holds up neither boot nor shutdown', () => {
    const commands = [...text.matchAll(/^Exec\w+=(\S+)/gm)].map(([, program]) => program);

    assert.deepEqual(new Set(commands), new Set(['/bin/sh']));
    assert.match(text, new RegExp(`^ExecStart=.*exec mount -t overlay .* ${overlaySource} /usr'$`, 'm'));
    assert.doesNotMatch(text.replaceAll(/\/etc\/kata-sysext\/overlay|^[#D].*/gm, ''), /kata-sysext\//);
    assert.equal(text.split(` - overlay ${overlaySource} `).length, 3);
    for (const line of ['TimeoutStartSec=30', 'TimeoutStopSec=30', 'DefaultDependencies=no', 'Conflicts=shutdown.target'])
      assert.ok(text.split('\n').includes(line), line);
    assert.match(text, /^WantedBy=sysinit\.target$/m);
    assert.doesNotMatch(text, /^(Requires|BindsTo|RequiredBy|RequiresMountsFor|OnFailure)=/m);
    assert.ok(isOurUnit(text));
  });

  it('lies in the folder that the build carries inside', () => {
    const bundle = readFileSync(new URL('../../scripts/bundle.ts', import.meta.url), 'utf8');

    assert.match(bundle, /assetFolders = \[[^\]]*'units'/);
  });
});

describe('what speaks against an overlay', () => {
  let root: string;
  let host: HostView;
  const put = (path: string, text = '') => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const facts = (ostree: boolean, selinux: 'enforcing' | 'disabled') =>
    ({
      ostree: { known: true, value: ostree, source: '' },
      selinux: { known: true, value: { mode: selinux }, source: '' },
    }) as Scene['facts'];
  const codes = async (wish = facts(false, 'disabled')) =>
    (await runChecks(hostChecks, await readScene(host, wish))).map(({ code }) => code);

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-overlay-'));
    host = openView(root, {});
    for (const name of ['sh', 'grep', 'mount', 'umount', 'mountpoint']) put(`usr/bin/${name}`);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('nothing, on a host that has what the unit needs', async () => {
    assert.deepEqual(await codes(), []);
  });

  it('each reason has its own code', async () => {
    rmSync(join(root, 'usr/bin/mountpoint'));
    put('etc/systemd/system/kata-sysext-overlay.service', '[Service]\n');
    put('usr/lib/systemd/system/systemd-sysext.service');
    put('usr/lib/systemd/libsystemd-shared-257.so');
    put('var/lib/extensions/theirs/usr/lib/extension-release.d/extension-release.theirs');
    put('usr/share/kata/file');

    const found = await codes(facts(false, 'enforcing'));

    assert.deepEqual(found, ['overlay-missing', 'overlay-unit-taken', 'overlay-foreign', 'foreign-file', 'overlay-inside-usr']);
  });

  it('not a unit of ours, nor extensions where no systemd-sysext is that could merge them, nor ours', async () => {
    put('etc/systemd/system/kata-sysext-overlay.service', unitText());
    put('var/lib/extensions/theirs/usr/lib/extension-release.d/extension-release.theirs');
    const without = await codes();
    rmSync(join(root, 'var/lib/extensions/theirs'), { recursive: true });
    put('usr/lib/systemd/system/systemd-sysext.service');
    put('usr/lib/systemd/libsystemd-shared-257.so');
    put('etc/extensions/kata/usr/lib/extension-release.d/extension-release.kata', `KATA_SYSEXT_PAYLOAD=sha256:${hex}\n`);

    assert.deepEqual([without, await codes()], [[], []]);
  });

  it('a mask in any folder that systemd reads', async () => {
    mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
    symlinkSync('/dev/null', join(root, 'run/systemd/system/kata-sysext-overlay.service'));

    assert.deepEqual(await codes(), ['overlay-unit-taken']);
  });
});
