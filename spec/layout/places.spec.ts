import assert from 'node:assert/strict';
import type { KataError } from '../../cli/errors/index.ts';
import { renameInConfiguration } from '../../cli/layout/configuration.ts';
import { foreignGlobMatcher } from '../../cli/layout/glob.ts';
import { families, type Layout, layOut, placeOf, stockLabel } from '../../cli/layout/index.ts';
import { bundleOf, completeRelease, type FakeRelease, kindOf, readerOf } from './release.ts';

const configuration = 'share/defaults/kata-containers/configuration-qemu.toml';

interface Ask {
  wanted?: string[];
  compiled?: string[];
  kindOf?: (path: string) => 'program' | 'library' | undefined;
}

/** Lays out a whole release, kata-qemu if nothing else is asked. */
function lay(release: FakeRelease, { wanted = ['qemu'], compiled = [], ...ask }: Ask = {}): Promise<Layout> {
  const bundle = bundleOf(release);
  const kind = ask.kindOf ?? kindOf;
  for (const entry of bundle.entries) if (entry.kind === 'file') entry.mode = kind(entry.path) === 'program' ? 0o755 : 0o644;
  const contains = (_: string, needles: string[]) => needles.filter((needle) => compiled.includes(needle));
  return layOut({ bundle, wanted, arch: release.arch, readText: readerOf(release), contains, kindOf: kind });
}

/** A release whose kata-qemu has this configuration, and these files besides. */
function releaseWith(text: string, files: Record<string, number | ['link', string]> = {}): FakeRelease {
  const release = completeRelease();
  release.files.set(configuration, text);
  for (const [path, content] of Object.entries(files)) release.files.set(path, content);
  return release;
}

function has({ entries }: Layout, path: string): string | undefined {
  const entry = entries.find((each) => each.path === path);
  return entry?.kind === 'symlink' ? `→ ${entry.target}` : entry?.kind;
}

describe('a pattern of a release', () => {
  for (const [glob, path, fits] of [
    ['libexec/virtiofsd', 'libexec/virtiofsd', true],
    ['libexec/*', 'libexec/virtiofsd', true],
    ['libexec/*', 'libexec/a/virtiofsd', false],
    ['**/virtiofsd', 'libexec/a/virtiofsd', true],
    ['*', '', true],
    ['lib?xec/virtiofs?', 'libexec/virtiofsd', true],
    ['libexec?virtiofsd', 'libexec/virtiofsd', false],
    ['lib(exec|)/[v].*', 'libexec/virtiofsd', false],
    ['*fs*d', 'virtiofs-and-fsd', true],
    ['*fs', 'virtiofsd', false],
  ] as const) {
    it(`${glob} ${fits ? 'fits' : 'does not fit'} ${JSON.stringify(path)}`, () => {
      const fitting = foreignGlobMatcher(glob);

      assert.equal(fitting?.(path), fits);
    });
  }

  it('takes no time whatever it is, and one with many wildcards stays as it is', async function () {
    this.timeout(60_000);
    const name = `libexec/${'a'.repeat(200)}`;
    const [slow, many] = ['a*'.repeat(7), 'a*'.repeat(30)].map((stars) => `/opt/kata/libexec/${stars}b`);
    const text = `[hypervisor.qemu]\nvirtio_fs_daemon = "/opt/kata/${name}"\nvalid_virtio_fs_daemon_paths = ["${slow}", "${many}"]\n`;

    const renamed = renameInConfiguration(text, { nameOf: (path) => path, files: new Map([[name, name.replace('libexec', 'bin')]]) });

    assert.equal(renamed, text);
  });
});

describe('the place of a file in a payload', () => {
  for (const [path, fileClass, wanted] of [
    ['libexec/virtiofsd', 'program', 'bin/virtiofsd'],
    ['bin/jailer', 'program', 'bin/jailer'],
    ['runtime-rs/bin/containerd-shim-kata-v2', 'program', 'runtime-rs/bin/containerd-shim-kata-v2'],
    ['helper', 'program', 'bin/helper'],
    ['sbin/helper', 'program', 'bin/helper'],
    ['bin/tools/helper', 'program', 'bin/bin/helper'],
    ['share/kata-qemu/qemu/helper', 'program', 'share/kata-qemu/bin/helper'],
    ['lib/kata-qemu/helper', 'program', 'bin/helper'],
    ['lib/bin/helper', 'program', 'bin/helper'],
    ['lib64/helper', 'program', 'bin/helper'],
    ['lib/kata-qemu/libz.so.1', 'library', 'lib/kata-qemu/libz.so.1'],
    ['libexec/plugin.so', 'library', 'lib/plugin.so'],
    ['lib64/libz.so.1', 'library', 'lib/libz.so.1'],
    ['bin/libz.so.1', 'library', 'lib/libz.so.1'],
    ['bin/tools/libz.so.1', 'library', 'lib/libz.so.1'],
    ['libexec/data', 'data', 'libexec/data'],
    ['bin/qemu-bundle/usr/lib/ipxe/rom', 'data', 'share/qemu-bundle/usr/lib/ipxe/rom'],
    ['bin/qemu-bundle/usr/libexec/helper', 'program', 'share/qemu-bundle/usr/bin/helper'],
  ] as const) {
    it(`of the ${fileClass} ${path} is ${wanted}, which both policies label alike`, () => {
      const place = placeOf(path, fileClass);

      assert.equal(place, wanted);
      const types = families.flatMap((family) =>
        ['/usr/share/kata', '/usr/local/libexec/kata-sysext/tree/0a1b/usr/share/kata'].map((base) =>
          stockLabel(family, `${base}/${place}`),
        ),
      );
      assert.equal(new Set(types).size, 1, types.join(' '));
      if (fileClass === 'program') assert.equal(types[0], 'bin_t');
    });
  }
});

describe('a release in folders of its own', () => {
  it('its programs move to bin, whatever their names; the configuration follows, its other bytes stay, and empty folders go', async () => {
    const text = [
      '# /opt/kata/libexec/vfs is where the release has it',
      '[hypervisor.qemu]',
      'path = "/opt/kata/bin/qemu-system-x86_64"',
      "virtio_fs_daemon = '/opt/kata/libexec/vfs'   # a comment",
      'valid_virtio_fs_daemon_paths = ["/opt/kata/libexec/vfs", "/opt/kata/libexec/v*", "/usr/libexec/v*"]',
      'jailer_path = "/opt/kata/tools/confine"',
      'entropy_source = "/opt/kata/libexec/vfs"',
      '',
    ].join('\n');

    const layout = await lay(releaseWith(text, { 'libexec/vfs': 7, 'tools/confine': 7 }), {
      kindOf: (path) => (/vfs|confine/.test(path) ? 'program' : kindOf(path)),
    });

    assert.deepEqual(
      layout.moves.sort((a, b) => (a.from < b.from ? -1 : 1)),
      [
        { from: 'libexec/vfs', to: 'bin/vfs' },
        { from: 'tools/confine', to: 'bin/confine' },
      ],
    );
    assert.equal(
      layout.texts.get(configuration),
      text
        .replace("'/opt/kata/libexec/vfs'", '"/opt/kata/bin/vfs"')
        .replace('["/opt/kata/libexec/vfs", "/opt/kata/libexec/v*"', '["/opt/kata/bin/vfs", "/opt/kata/bin/v*"')
        .replace('tools/confine', 'bin/confine'),
    );
    for (const folder of ['libexec', 'tools']) assert.ok(layout.dropped.includes(folder) && has(layout, folder) === undefined);
    for (const path of ['bin/vfs', 'bin/confine']) assert.ok(layout.handlers[0]?.files.includes(path));
  });

  it('a file that its configuration starts is a program whatever its bytes are, if it has an execute bit', async () => {
    const text = '[hypervisor.qemu]\nvirtio_fs_daemon = "/opt/kata/libexec/odd"\nctlpath = "/opt/kata/libexec/plain"\n';
    const release = releaseWith(text, { 'libexec/odd': 7, 'libexec/plain': 7 });
    const bundle = bundleOf(release);
    for (const entry of bundle.entries) if (entry.path === 'libexec/plain') entry.mode = 0o644;

    const ask = { bundle, wanted: ['qemu'], arch: release.arch, readText: readerOf(release), contains: () => [], kindOf: () => undefined };
    const layout = await layOut(ask);

    assert.deepEqual(layout.moves, [{ from: 'libexec/odd', to: 'bin/odd' }]);
    assert.match(layout.texts.get(configuration)!, /\/opt\/kata\/bin\/odd"\n.*\/opt\/kata\/libexec\/plain"/);
  });

  it('links lead to where a program lies now, and a link that would have its name gives way', async () => {
    const text = '[hypervisor.qemu]\nvirtio_fs_daemon = "/opt/kata/libexec/vfs"\njailer_path = "/opt/kata/bin/confine"\n';
    const files = {
      'libexec/vfs': ['link', 'vfs-1.14'],
      'libexec/vfs-1.14': 7,
      'bin/confine': ['link', '../libexec/confine'],
      'libexec/confine': 7,
    } as Record<string, number | ['link', string]>;

    const layout = await lay(releaseWith(text, files));

    assert.equal(has(layout, 'libexec/vfs'), '→ ../bin/vfs-1.14');
    assert.equal(has(layout, 'bin/vfs-1.14'), 'file');
    assert.equal(has(layout, 'bin/confine'), 'file');
    assert.equal(layout.texts.get(configuration), undefined, 'both names still lead to their programs');
  });

  it('a folder that is a link to one that empties goes, and what was named by it is named by its place', async () => {
    const text = '[hypervisor.qemu]\nvirtio_fs_daemon = "/opt/kata/exec/vfs"\n';

    const layout = await lay(releaseWith(text, { exec: ['link', 'libexec'], 'libexec/vfs': 7 }));

    assert.equal(has(layout, 'exec'), undefined);
    assert.equal(layout.texts.get(configuration), text.replace('exec/vfs', 'bin/vfs'));
  });

  it('leaves a link in the place of what a QEMU finds by itself in its folders', async () => {
    const extra = { 'share/kata-qemu/qemu/helper': 7, 'share/kata-qemu/qemu/plugin.so': 7 };
    const ask = { kindOf: (path: string) => (path.endsWith('/helper') ? 'program' : kindOf(path)) } as Ask;

    const layout = await lay(releaseWith('[hypervisor.qemu]\npath = "/opt/kata/bin/qemu-system-x86_64"\n', extra), ask);

    assert.equal(has(layout, 'share/kata-qemu/qemu/helper'), '→ ../bin/helper');
    assert.equal(has(layout, 'share/kata-qemu/bin/helper'), 'file');
    assert.equal(has(layout, 'share/kata-qemu/qemu/plugin.so'), '→ ../lib/plugin.so');
    assert.ok(layout.handlers[0]?.files.includes('share/kata-qemu/qemu/helper'));
  });

  it('a folder of links that it has for its own QEMU moves out of bin as it is, and ours join it', async () => {
    const files = {
      'bin/qemu-bundle/opt/kata/share/kata-qemu/qemu': ['link', '../../../../../../share/kata-qemu/qemu'],
      'bin/qemu-bundle/usr/lib/own/rom': 7,
    } as Record<string, number | ['link', string]>;
    const compiled = ['/opt/kata/share/kata-qemu/qemu', '/usr/share/seabios'];

    const layout = await lay(releaseWith('[hypervisor.qemu]\npath = "/opt/kata/bin/qemu-system-x86_64"\n', files), { compiled });

    assert.equal(has(layout, 'bin/qemu-bundle'), '→ ../share/qemu-bundle');
    assert.equal(has(layout, 'share/qemu-bundle/opt/kata/share/kata-qemu/qemu'), '→ ../../../../../kata-qemu/qemu');
    assert.equal(has(layout, 'share/qemu-bundle/usr/lib/own/rom'), 'file');
    assert.equal(has(layout, 'share/qemu-bundle/usr/share/seabios'), '→ ../../../kata-qemu/qemu');
  });

  it('a QEMU of another folder has its links beside its place', async () => {
    const text = '[hypervisor.qemu]\npath = "/opt/kata/libexec/emulator"\n';

    const layout = await lay(releaseWith(text, { 'libexec/emulator': 7 }), { compiled: ['/usr/share/seabios'] });

    assert.equal(has(layout, 'bin/emulator'), 'file');
    assert.equal(has(layout, 'bin/qemu-bundle'), '→ ../share/qemu-bundle');
  });

  for (const [title, files] of [
    ['a file of the release has the name', { 'bin/vfs': 7 }],
    ['a folder of the release has the name', { 'bin/vfs/x': 7 }],
    ['a link to another file has the name', { 'bin/vfs': ['link', 'jailer'] }],
    ['another program moves to the name', { 'sbin/vfs': 7 }],
  ] as [string, Record<string, number | ['link', string]>][]) {
    it(`is refused where ${title}, and is not offered then`, async () => {
      const text = '[hypervisor.qemu]\nvirtio_fs_daemon = "/opt/kata/libexec/vfs"\njailer_path = "/opt/kata/sbin/vfs"\n';
      const release = releaseWith(text, { 'libexec/vfs': 7, 'sbin/vfs': ['link', '../libexec/vfs'], ...files });
      const ask = { kindOf: (path: string) => (path.endsWith('/vfs') ? 'program' : kindOf(path)) } as Ask;

      const refused = lay(release, ask);

      await assert.rejects(refused, (error: KataError) => error.code === 'bundle-name-taken' && /bin\/vfs/.test(error.complaint.found));
      const { available } = await lay(release, { ...ask, wanted: ['qemu-runtime-rs'] });
      assert.equal(available.includes('kata-qemu'), 'sbin/vfs' in files);
    });
  }
});
