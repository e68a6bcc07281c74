import assert from 'node:assert/strict';
import type { KataError } from '../../cli/errors/index.ts';
import type { Architecture } from '../../cli/facts/index.ts';
import { handlerTable, keepFor, type Layout, layOut, requirements } from '../../cli/layout/index.ts';
import { bundleOf, completeRelease, type FakeRelease, kindOf, namedFiles, readerOf } from './release.ts';

const kata = 'share/kata-containers';

/** Lays out what streaming would have kept. */
function lay(release: FakeRelease, wanted?: string[], compiled: string[] = []): Promise<Layout> {
  const bundle = bundleOf(release, keepFor(wanted, release.arch));
  const contains = (_: string, needles: string[]): string[] => needles.filter((needle) => compiled.includes(needle));
  return layOut({ bundle, wanted, arch: release.arch, readText: readerOf(release), contains, kindOf });
}

describe('laying out a release', () => {
  for (const row of handlerTable.handlers) {
    // The manifest has clh-runtime-rs for aarch64, but Kata's Makefile makes no configuration for it there: the bundle lacks it.
    for (const arch of row.architectures.filter((one) => namedFiles(row, one) !== undefined)) {
      it(`keeps what kata-${row.name} names on ${arch}, and every kept file is needed`, async () => {
        const release = completeRelease(arch);

        const layout = await lay(release, [row.name]);

        const [handler] = layout.handlers;
        const text = layout.texts.get(row.configuration) ?? readerOf(release)(row.configuration);
        const present = new Set(layout.entries.map((entry) => entry.path));
        for (const { value, kind } of requirements(text, row.hypervisor)) {
          if (kind === 'file' && value.startsWith('/opt/kata/')) assert.ok(present.has(value.slice('/opt/kata/'.length)), value);
        }
        assert.ok(present.has(row.shim) && present.has(row.configuration));
        for (const entry of layout.entries) {
          const needed =
            entry.kind === 'directory' || ['VERSION', 'versions.yaml'].includes(entry.path) || handler?.files.includes(entry.path);
          assert.ok(needed || entry.path.endsWith('/configuration.toml'), `${entry.path} is not needed`);
          if (entry.kind === 'symlink') assert.ok(present.has(linkEnd(entry.path, entry.target!)), `${entry.path} dangles`);
        }
        assert.ok(layout.available.includes(`kata-${row.name}`));
      });
    }
  }

  it('keeps exactly this for kata-qemu-runtime-rs', async () => {
    const layout = await lay(completeRelease(), ['kata-qemu-runtime-rs']);

    assert.deepEqual(
      layout.entries.filter((entry) => entry.kind !== 'directory').map((entry) => entry.path),
      [
        'VERSION',
        'bin/qemu-system-x86_64',
        'bin/virtiofsd',
        'lib/kata-qemu-modules/accel-tcg.so',
        'lib/kata-qemu/libz.so.1',
        'runtime-rs/bin/containerd-shim-kata-v2',
        'share/defaults/kata-containers/runtime-rs/configuration-qemu-runtime-rs.toml',
        'share/defaults/kata-containers/runtime-rs/configuration.toml',
        `${kata}/kata-containers.img`,
        `${kata}/kata-ubuntu-resolute.image`,
        `${kata}/vmlinux-6.18.35-202`,
        `${kata}/vmlinux.container`,
        'share/kata-qemu/qemu/bios-256k.bin',
        'versions.yaml',
      ],
    );
  });

  it('accounts for every byte of the release', async () => {
    const release = completeRelease();
    const total = [...bundleOf(release).listing.values()].reduce((sum, entry) => sum + entry.sizeBytes, 0);

    const layout = await lay(release, ['qemu', 'clh']);

    const kept = layout.entries.reduce((sum, entry) => sum + (entry.sizeBytes ?? 0), 0);
    const renamed = [...layout.texts].reduce((sum, [path, text]) => sum + text.length - readerOf(release)(path).length, 0);
    assert.equal(kept - renamed + layout.savedBytes, total);
  });

  it('drops what was unpacked in vain, deepest first', async () => {
    const release = completeRelease();

    const { dropped, entries, moves } = await lay(release, ['qemu-runtime-rs']);

    const unpacked = bundleOf(release, keepFor(['qemu-runtime-rs'], 'x86_64')).entries.map((entry) => entry.path);
    const from = new Map(moves.map((move) => [move.to, move.from]));
    const stayed = entries.map(({ path }) => from.get(path) ?? path);
    assert.deepEqual([...dropped, ...stayed].sort(byName), unpacked.sort(byName));
    assert.ok(dropped.includes('libexec') && dropped.includes('libexec/nydusd') && dropped.includes(`${kata}/kata-ubuntu-resolute.initrd`));
    for (const [at, path] of dropped.entries()) assert.ok(!dropped.slice(at + 1).some((later) => later.startsWith(`${path}/`)));
  });

  for (const [title, change, expected] of [
    ['the Rust link', () => undefined, 'kata-qemu-runtime-rs'],
    [
      'the Rust link, to Dragonball',
      (r: FakeRelease) =>
        r.files.set('share/defaults/kata-containers/runtime-rs/configuration.toml', ['link', 'configuration-dragonball.toml']),
      'kata-dragonball',
    ],
    ['the Go link when there is only Go', (r: FakeRelease) => drop(r, '/runtime-rs/'), 'kata-qemu'],
    [
      'the Rust link when the Go link dangles',
      (r: FakeRelease) => r.files.delete('share/defaults/kata-containers/configuration-qemu.toml'),
      'kata-qemu-runtime-rs',
    ],
    ['the first candidate when there is no link', (r: FakeRelease) => drop(r, '/configuration.toml'), 'kata-qemu-runtime-rs'],
  ] as const) {
    it(`takes as default handler where this points: ${title}`, async () => {
      const release = completeRelease();
      change(release);

      const layout = await lay(release);

      assert.equal(layout.defaultHandler, expected);
      assert.deepEqual(
        layout.handlers.map((handler) => handler.name),
        [expected],
      );
    });
  }

  it('links the directories that QEMU was built to look in', async () => {
    const compiled = ['/opt/kata/share/kata-qemu/qemu', '/usr/share/seabios', '/usr/lib/x86_64-linux-gnu/qemu'];

    const layout = await lay(completeRelease(), ['qemu'], compiled);

    const links = layout.entries.filter((entry) => entry.path.includes('qemu-bundle') && entry.kind === 'symlink');
    assert.deepEqual(
      links.map(({ path, target }) => [path, linkEnd(path, target!)]),
      [
        ['bin/qemu-bundle', 'share/qemu-bundle'],
        ['share/qemu-bundle/opt/kata/share/kata-qemu/qemu', 'share/kata-qemu/qemu'],
        ['share/qemu-bundle/usr/lib/x86_64-linux-gnu/qemu', 'lib/kata-qemu-modules'],
        ['share/qemu-bundle/usr/share/seabios', 'share/kata-qemu/qemu'],
      ],
    );
    const folders = layout.entries.filter((entry) => entry.kind === 'directory').map((entry) => entry.path);
    assert.ok(folders.includes('share/qemu-bundle') && folders.includes('share/qemu-bundle/opt/kata/share/kata-qemu'));
    for (const { path } of links) assert.ok(layout.handlers[0]?.files.includes(path));
  });

  it('serves two QEMU flavours side by side', async () => {
    const compiled = ['/opt/kata/share/kata-qemu/qemu', '/opt/kata/share/kata-qemu-snp-experimental/qemu'];

    const layout = await lay(completeRelease(), ['qemu', 'qemu-nvidia-gpu-snp'], compiled);

    const links = layout.entries.filter((entry) => entry.path.startsWith('share/qemu-bundle/') && entry.kind === 'symlink');
    assert.equal(links.length, 2);
    assert.ok(layout.entries.some((entry) => entry.path === 'share/kata-qemu-snp-experimental/qemu/bios-256k.bin'));
  });

  it('lists what the bundle could serve whole, and nothing else', async () => {
    const release = completeRelease();
    release.files.delete('bin/openvmm');
    release.files.delete('share/ovmf/AMDSEV.fd');
    release.files.set('share/defaults/kata-containers/configuration-clh.toml', 'not = [toml');

    const { available } = await lay(release);

    const absent = handlerTable.handlers.filter((row) => row.architectures.includes('x86_64') && !available.includes(`kata-${row.name}`));
    assert.deepEqual(
      absent.map((row) => row.name),
      ['clh', 'openvmm-azure-runtime-rs', 'qemu-nvidia-gpu-snp', 'qemu-nvidia-gpu-snp-runtime-rs', 'qemu-snp', 'qemu-snp-runtime-rs'],
    );
  });

  for (const [key, path] of [
    ['path', 'bin/qemu-system-x86_64'],
    ['kernel', `${kata}/vmlinux.container`],
    ['kernel', `${kata}/vmlinux-6.18.35-202`],
    ['image', `${kata}/kata-ubuntu-resolute.image`],
    ['virtio_fs_daemon', 'libexec/virtiofsd'],
  ] as const) {
    it(`refuses a release without ${path}, naming the key`, async () => {
      const release = completeRelease();
      release.files.delete(path);

      await assert.rejects(
        lay(release),
        (error: KataError) => error.code === 'bundle-incomplete' && error.complaint.found.includes(`${key} = `),
      );
    });
  }

  it('does not take a folder for a kernel', async () => {
    const release = completeRelease();
    release.files.set(`${kata}/vmlinux.container`, ['link', '../kata-qemu']);

    await assert.rejects(lay(release), { code: 'bundle-incomplete' });
  });

  it('refuses a handler that Kata does not have for the machine', async () => {
    await assert.rejects(lay(completeRelease('aarch64'), ['qemu-tdx']), { code: 'bundle-lacks-handler' });
  });

  it('refuses a release for another machine', async () => {
    const release = completeRelease();
    const bundle = { ...bundleOf(release), machines: new Map([['runtime-rs/bin/containerd-shim-kata-v2', 'aarch64']]) };

    const outcome = layOut({ bundle, arch: 'x86_64', readText: readerOf(release), contains: () => [], kindOf });

    await assert.rejects(outcome, { code: 'host-architecture' });
  });

  it('refuses a tree without a configuration', async () => {
    const release = completeRelease();
    drop(release, 'share/defaults');

    await assert.rejects(lay(release), { code: 'bundle-layout' });
  });

  it('refuses a configuration that leads out of the release', async () => {
    const release = completeRelease();
    const path = 'share/defaults/kata-containers/configuration-qemu.toml';
    release.files.set(path, '[hypervisor.qemu]\npath = "/opt/kata/../../bin/sh"\n');

    await assert.rejects(lay(release, ['qemu']), { code: 'bundle-configuration' });
  });

  it('refuses a version that is no version', async () => {
    const release = completeRelease();
    const bundle = { ...bundleOf(release), version: '4.1.0\u001b[2J' };

    const outcome = layOut({ bundle, arch: 'x86_64', readText: readerOf(release), contains: () => [], kindOf });

    await assert.rejects(outcome, { code: 'bundle-layout' });
  });

  it('keeps a file that no component claims while streaming, and finds it when a configuration names it', async () => {
    const release = completeRelease();
    release.files.set(`${kata}/site.kernel`, 7);
    release.files.set(
      'share/defaults/kata-containers/configuration-qemu.toml',
      `[hypervisor.qemu]\nkernel = "/opt/kata/${kata}/site.kernel"\n`,
    );

    const layout = await lay(release, ['qemu']);

    assert.ok(layout.entries.some((entry) => entry.path === `${kata}/site.kernel`));
  });

  for (const arch of ['x86_64', 'aarch64'] as Architecture[]) {
    it(`leaves the big files of other handlers unwritten on ${arch}`, () => {
      const keep = keepFor(['qemu-runtime-rs'], arch);

      const written = [...completeRelease(arch).files.keys()].filter(keep);

      for (const foreign of [
        'confidential',
        'nvidia',
        'mariner',
        'extension',
        'firecracker',
        'cloud-hypervisor',
        'openvmm',
        'experimental',
        'bin/kata-runtime',
      ]) {
        assert.deepEqual(
          written.filter((path) => path.includes(foreign) && !path.startsWith('share/defaults/')),
          [],
        );
      }
    });
  }
});

function drop(release: FakeRelease, part: string): void {
  for (const path of release.files.keys()) if (path.includes(part)) release.files.delete(path);
}

function linkEnd(path: string, target: string): string {
  return new URL(target, `http://host/${path}`).pathname.slice(1);
}

function byName(a: string, b: string): number {
  return a < b ? -1 : 1;
}
