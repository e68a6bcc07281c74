import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { foreignChecks } from '../../cli/backends/sysext/foreignChecks.ts';
import { hostChecks } from '../../cli/backends/sysext/hostChecks.ts';
import { readScene, type Scene } from '../../cli/backends/sysext/scene.ts';
import { codeRow } from '../../cli/errors/index.ts';
import { type Extension, findExtensions, kindOfImage, parseStatus } from '../../cli/facts/index.ts';
import { type HostView, openView } from '../../cli/host/index.ts';

describe('systemd-sysext status', () => {
  it('reads an unmerged hierarchy of 252 to 257 ("none") and of 262 (an empty list), and merged ones', () => {
    const old = parseStatus(
      '[{"hierarchy":"/opt","extensions":"none","since":null},{"hierarchy":"/usr","extensions":["b","kata"],"since":1795479561355641}]',
    );
    const now = parseStatus(
      '[{"hierarchy":"/opt","extensions":[],"since":null},{"hierarchy":"/usr","extensions":["b","kata"],"since":1795479561355641}]',
    );

    assert.deepEqual(old, now);
    assert.deepEqual(old[1], { hierarchy: '/usr', names: ['b', 'kata'], sinceMs: 1795479561355.641 });
  });

  it('says so when the answer is anything else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          return Array.isArray(parseStatus(text));
        } catch (error) {
          return (error as { code?: string }).code === 'failed';
        }
      }),
    );
    assert.throws(() => parseStatus('{"hierarchy":"/usr"}'), /something else than its JSON/);
    assert.throws(() => parseStatus('[null]'), /something else than its JSON/);
  });
});

describe('extensions in the search folders', () => {
  let root: string;
  let host: HostView;
  const put = (path: string, bytes: string | Buffer = '') => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  };
  const folder = (path: string) => put(`${path}/usr/lib/extension-release.d/extension-release.${path.split('/').at(-1)}`, 'ID=_any\n');
  const squashfs = Buffer.concat([Buffer.from('hsqs'), Buffer.alloc(4096)]);

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-extensions-'));
    host = openView(root, {});
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('takes the first of a name; folders without a release file mask, other files and dangling links are nothing', async () => {
    folder('etc/extensions/first');
    folder('var/lib/extensions/first');
    folder('var/lib/extensions/masked');
    mkdirSync(join(root, 'etc/extensions/masked'));
    folder('var/lib/extensions/withopt');
    put('var/lib/extensions/withopt/opt/x/file');
    put('run/extensions/image.raw', squashfs);
    put('run/extensions/other.sysext.raw', squashfs);
    put('run/extensions/picked.raw.v/picked_1.raw', squashfs);
    put('run/extensions/bad.raw', 'nonsense');
    put('run/extensions/btrfs.raw', Buffer.concat([Buffer.alloc(65_600), Buffer.from('_BHRfS_M')]));
    put('run/extensions/README', 'no extension');
    symlinkSync('/dev/null', join(root, 'etc/extensions/image.raw'));
    symlinkSync('/nowhere', join(root, 'etc/extensions/gone'));
    symlinkSync('/var/lib/elsewhere/x', join(root, 'etc/extensions/linked'));
    put('var/lib/elsewhere/x/usr/lib/extension-release.d/extension-release.linked', 'ID=_any\n');
    folder('usr/lib/extensions/older');

    const found = await findExtensions(host, 257);
    const older = await findExtensions(host, 252);

    const shown = (all: Extension[]) => all.map(({ name, kind, path, opt }) => [name, kind, path, opt]);
    assert.deepEqual(shown(found), [
      ['first', 'directory', '/etc/extensions/first', false],
      ['linked', 'directory', '/etc/extensions/linked', false],
      ['masked', 'masked', '/etc/extensions/masked', false],
      ['bad', 'broken', '/run/extensions/bad.raw', false],
      ['btrfs', 'image', '/run/extensions/btrfs.raw', false],
      ['image', 'image', '/run/extensions/image.raw', false],
      ['other', 'image', '/run/extensions/other.sysext.raw', false],
      ['picked', 'image', '/run/extensions/picked.raw.v', false],
      ['withopt', 'directory', '/var/lib/extensions/withopt', true],
    ]);
    assert.deepEqual(older.at(-1)?.name, 'older');
  });

  it('knows images by their first bytes, wherever their kind keeps its mark', () => {
    const at = (offset: number, bytes: number[] | string) =>
      Buffer.concat([Buffer.alloc(offset), Buffer.from(bytes as string), Buffer.alloc(512)]);
    const boot = (offset: number, bytes: number[] | string) => {
      const sector = at(offset, bytes).subarray(0, 512);
      sector.set([0x55, 0xaa], 510);
      return sector;
    };

    const images = {
      squashfs: at(0, 'hsqs'),
      xfs: at(0, 'XFSB'),
      erofs: at(1024, [0xe2, 0xe1, 0xf5, 0xe0]),
      f2fs: at(1024, [0x10, 0x20, 0xf5, 0xf2]),
      ext4: at(1080, [0x53, 0xef]),
      btrfs: at(65_600, '_BHRfS_M'),
      gpt: at(512, 'EFI PART'),
      'gpt of 4096-byte sectors': at(4096, 'EFI PART'),
      fat16: boot(54, 'FAT16   '),
      fat32: boot(82, 'FAT32   '),
      mbr: boot(446, [0x80, 0, 0, 0, 0x83]),
    };
    const unknown = {
      luks: at(0, 'LUKS'),
      'a boot sector without a partition': boot(0, 'boot code'),
      'a boot sector with code in the place of the table': boot(446, [0x12, 0, 0, 0, 0x83]),
      text: Buffer.from('<html>'.repeat(100)),
    };
    const broken = [Buffer.alloc(0), Buffer.alloc(100_000), Buffer.from('squash')];

    for (const [what, head] of Object.entries(images)) assert.equal(kindOfImage(head), 'image', what);
    for (const [what, head] of Object.entries(unknown)) assert.equal(kindOfImage(head), 'unknown', what);
    assert.deepEqual(broken.map(kindOfImage), ['broken', 'broken', 'broken']);
  });

  it('a folder with the release file of another name may count, by an attribute: it is not masked', async () => {
    put('var/lib/extensions/renamed/usr/lib/extension-release.d/extension-release.first', 'ID=_any\n');
    put('var/lib/extensions/noted/usr/lib/extension-release.d/README', 'no release file');

    const kinds = async (systemd: number) => (await findExtensions(host, systemd)).map(({ name, kind }) => [name, kind]);

    assert.deepEqual(await kinds(257), [
      ['noted', 'masked'],
      ['renamed', 'unknown'],
    ]);
    assert.deepEqual(await kinds(252), [
      ['noted', 'broken'],
      ['renamed', 'unknown'],
    ]);
  });

  it('each check of others has its own code, and none finds anything on a clean host', async () => {
    const scene = (change: Partial<Scene>): Scene => ({
      host,
      systemd: { known: true, value: 257, source: 'spec' },
      merged: [],
      found: [],
      unit: undefined,
      mounts: [],
      ...change,
    });
    const one = (change: Partial<Extension>): Extension => ({
      name: 'a',
      path: '/var/lib/extensions/a',
      kind: 'directory',
      opt: false,
      modifiedMs: 1000,
      ...change,
    });
    const usr = (names: string[]) => [{ hierarchy: '/usr', names, sinceMs: 2000 }];
    const rows: [Partial<Scene>, string[]][] = [
      [{}, []],
      [{ merged: usr(['a']), found: [one({})] }, ['sysext-foreign-merged']],
      [{ merged: usr(['a']), found: [one({ modifiedMs: 3000 })] }, ['sysext-foreign-merged', 'sysext-foreign-dormant']],
      [{ merged: usr(['a']) }, ['sysext-foreign-merged', 'sysext-foreign-removed']],
      [
        { merged: [...usr(['a']), { hierarchy: '/opt', names: ['a'], sinceMs: 2000 }], found: [one({})] },
        ['sysext-foreign-merged', 'sysext-foreign-opt'],
      ],
      [{ found: [one({})] }, ['sysext-foreign-dormant']],
      [{ found: [one({ opt: true })] }, ['sysext-foreign-opt', 'sysext-foreign-dormant']],
      [{ found: [one({ kind: 'broken' })] }, ['sysext-foreign-broken']],
      [{ found: [one({ kind: 'masked' })] }, ['sysext-foreign-masked']],
      [{ found: [one({ kind: 'unknown' })] }, ['sysext-foreign-dormant']],
      [{ merged: usr(['a']), found: [one({ kind: 'unknown' })] }, ['sysext-foreign-merged']],
      [{ mounts: ['/usr/share/data'] }, ['sysext-nested-mounts']],
      [{ systemd: { known: true, value: 252, source: 'spec' }, found: [one({})] }, ['sysext-foreign-restart', 'sysext-foreign-dormant']],
    ];

    for (const [change, wanted] of rows) {
      const codes = (await Promise.all(foreignChecks.map((check) => check(scene(change))))).flat().map(({ code }) => code);
      assert.deepEqual(codes, wanted);
    }
    assert.deepEqual(
      ['sysext-foreign-broken', 'sysext-foreign-restart'].map((code) => codeRow(code).overridable),
      [false, false],
    );
  });

  it('each check of the host has its own code', async () => {
    const codes = async (selinux: 'enforcing' | 'disabled') => {
      const facts = {
        ostree: { known: true, value: false, source: '' },
        selinux: { known: true, value: { mode: selinux }, source: '' },
      } as Scene['facts'];
      const scene = await readScene(host, facts!);
      return (await Promise.all(hostChecks.map((check) => check(scene)))).flat().map(({ code }) => code);
    };
    const bare = await codes('disabled');
    put('usr/lib/systemd/system/systemd-sysext.service');
    put('usr/lib64/systemd/libsystemd-shared-252.so');
    const old = await codes('enforcing');
    rmSync(join(root, 'usr/lib64'), { recursive: true });
    put('usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-257.so');
    const clean = await codes('disabled');
    put('var/lib/extensions/kata.raw');
    truncateSync(join(root, 'var/lib/extensions/kata.raw'), 10);
    mkdirSync(join(root, 'usr/share/kata'), { recursive: true });
    mkdirSync(join(root, 'etc/systemd/system'), { recursive: true });
    symlinkSync('/dev/null', join(root, 'etc/systemd/system/systemd-sysext.service'));

    const taken = await codes('disabled');

    assert.deepEqual(bare, ['sysext-missing']);
    assert.deepEqual(old, ['sysext-systemd-old', 'sysext-mislabels-usr', 'sysext-inside-usr']);
    assert.deepEqual(clean, []);
    assert.deepEqual(taken, ['sysext-service-masked', 'sysext-name-taken', 'foreign-file']);
  });
});
