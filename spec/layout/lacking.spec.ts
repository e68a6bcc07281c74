import assert from 'node:assert/strict';
import type { KataError } from '../../cli/errors/index.ts';
import { keepFor, type Layout, layOut } from '../../cli/layout/index.ts';
import { bundleOf, completeRelease, type FakeRelease, kindOf, readerOf } from './release.ts';

function lay(release: FakeRelease, wanted: string, archives: readonly string[]): Promise<Layout> {
  const made = bundleOf(release, keepFor([wanted], release.arch));
  const sources = archives.map((archive) => ({ ...made.sources[0]!, name: `${archive}-4.1.0-amd64.tar.zst` }));
  return layOut({
    bundle: { ...made, sources },
    wanted: [wanted],
    arch: release.arch,
    readText: readerOf(release),
    contains: () => [],
    kindOf,
  });
}

describe('a handler that the bundle lacks', () => {
  const [goShim, rustShim] = ['bin/containerd-shim-kata-v2', 'runtime-rs/bin/containerd-shim-kata-v2'];
  const goConfiguration = 'share/defaults/kata-containers/configuration-qemu.toml';
  const rustConfiguration = 'share/defaults/kata-containers/runtime-rs/configuration-qemu-runtime-rs.toml';
  const [rustArchive, goArchive] = ['kata-static', 'kata-go-static'];
  for (const [wanted, without, code, archive] of [
    ['qemu', [goConfiguration, goShim], 'bundle-lacks-handler', goArchive],
    ['qemu-runtime-rs', [rustConfiguration, rustShim], 'bundle-lacks-handler', rustArchive],
    ['clh', [goShim], 'bundle-no-shim', goArchive],
    ['dragonball', [rustShim], 'bundle-no-shim', rustArchive],
  ] as const) {
    it(`names ${archive} when ${without.join(' and ')} is missing`, async () => {
      const release = completeRelease();
      for (const path of without) release.files.delete(path);
      const other = archive === goArchive ? rustArchive : goArchive;

      await assert.rejects(
        lay(release, wanted, [other]),
        (error: KataError) => error.code === code && error.complaint.next.includes(`${archive}-4.1.0`),
      );
    });
  }

  for (const [title, wanted, without, archives] of [
    ['its archive is named', 'qemu-runtime-rs', [rustConfiguration, rustShim], [rustArchive]],
    ['both archives are named', 'qemu', [goConfiguration, goShim], [rustArchive, goArchive]],
    ['the shim of its kind is there, whatever the archive is called', 'qemu', [goConfiguration], ['release']],
  ] as const) {
    it(`says that the release does not have the handler, and which it has, where ${title}`, async () => {
      const release = completeRelease();
      for (const path of without) release.files.delete(path);

      await assert.rejects(lay(release, wanted, archives), ({ complaint }: KataError) => {
        assert.match(complaint.found, new RegExp(`^Kata 4\\.1\\.0 does not have kata-${wanted}: `));
        assert.match(complaint.needed, /^a handler that this release has: kata-/);
        assert.doesNotMatch(complaint.needed, new RegExp(`kata-${wanted}(,|$)`));
        assert.doesNotMatch(complaint.next, /as well/);
        return true;
      });
    });
  }
});
