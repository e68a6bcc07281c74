import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '../../cli/documents/index.ts';
import { misfitOf } from '../../cli/documents/shapes.ts';
import { placeOf } from '../../cli/layout/places.ts';
import { componentTable } from '../../cli/layout/tables.ts';
import { componentsOf, kataOrigin } from '../../cli/sbom/components.ts';
import { licenceShape, licencesIn, licenceTable } from '../../cli/sbom/table.ts';
import { readVersions } from '../../cli/sbom/versions.ts';
import { repo } from '../support/program.ts';
import { versionsYaml } from './versionsYaml.ts';

/** A file that each glob of a component means, by the name of the component. */
function examples(): [component: string, path: string][] {
  return Object.entries(componentTable).flatMap(([name, { globs }]) =>
    globs.map((glob): [string, string] => [name, glob.replaceAll('**', 'x').replaceAll('*', 'x').replaceAll('?', 'x')]),
  );
}

async function componentNamed(name: string, paths: string[], text = versionsYaml) {
  const versions = await readVersions(text);
  return componentsOf({ paths, release: '4.1.0', architecture: 'x86_64', versions }).find(({ row }) => row.name === name);
}

describe('the table of licences', () => {
  it('has the shape that the program reads', () => {
    const value = parseJson(readFileSync(join(repo, 'overlays/licences.json'), 'utf8'));

    const misfit = misfitOf(licenceShape, value);

    assert.equal(misfit, undefined);
  });

  it('has a row for each file of each component of a release, and for a program where a payload has it', async () => {
    const versions = await readVersions(undefined);
    const files = examples().map(([, path]) => path);
    const programs = files.filter((path) => /^(?:bin|libexec|runtime-rs\/bin)\/[^/]+$/.test(path)).map((path) => placeOf(path, 'program'));

    const components = componentsOf({ paths: [...files, ...programs], release: '1', versions });

    const claimed = new Set(components.flatMap((each) => each.paths));
    assert.deepEqual(
      [...files, ...programs].filter((path) => !claimed.has(path)),
      [],
    );
    assert.ok(programs.includes('bin/virtiofsd'));
  });

  it('names a text for each licence of a component and of its parts', () => {
    const rows = [licenceTable.kata, ...licenceTable.components];
    const texts = readdirSync(join(repo, 'templates/licenses')).map((name) => name.replace(/\.txt$/, ''));

    const licences = rows.flatMap((row) => [...licencesIn(row.licence ?? ''), ...('parts' in row ? (row.parts ?? []) : [])]);

    const named = licences.map((each) => licenceTable.texts[each] ?? []);
    assert.deepEqual(
      named.filter((each) => each.length === 0),
      [],
    );
    assert.deepEqual(new Set(named.flat().sort()), new Set(texts.filter((name) => named.flat().includes(name)).sort()));
  });

  it('carries the texts of the GNU and Apache licences byte for byte', () => {
    const texts = ['Apache-2.0', 'GPL-2.0', 'GPL-3.0', 'LGPL-2.1', 'LGPL-3.0'];

    const digests = texts.map((name) =>
      createHash('sha256')
        .update(readFileSync(join(repo, `templates/licenses/${name}.txt`)))
        .digest('hex'),
    );

    // Of the files in /usr/share/common-licenses of Debian 12.
    assert.deepEqual(digests, [
      'cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30',
      '8177f97513213526df2cf6184d8ff986c675afb514d4e68a404010521b880643',
      '3972dc9744f6499f0f9b2dbf76696f2ae7ad8af9b23dde66d6af86c9dfb36986',
      'dc626520dcd53a22f727af3ee42c770e56c97a64fe3adb063799d8ab032fe551',
      'e3a994d82e644b03a792a930f574002658412f62407f5fee083f2555c5f23118',
    ]);
  });
});

describe('the components of a payload', () => {
  const rows: [name: string, path: string, version: string | undefined, source: string | undefined][] = [
    ['qemu', 'bin/qemu-system-x86_64', '11.0.1', 'https://github.com/qemu/qemu/archive/v11.0.1.tar.gz'],
    ['qemu', 'share/kata-qemu/qemu/bios-256k.bin', '11.0.1', 'https://github.com/qemu/qemu/archive/v11.0.1.tar.gz'],
    [
      'qemu-snp-experimental',
      'bin/qemu-system-x86_64-snp-experimental',
      'gpu-snp-20260430',
      'https://github.com/confidential-containers/qemu/archive/gpu-snp-20260430.tar.gz',
    ],
    ['qemu-tdx-experimental', 'bin/qemu-system-x86_64-tdx-experimental', undefined, undefined],
    ['cloud-hypervisor', 'bin/cloud-hypervisor', '51.1', 'https://github.com/cloud-hypervisor/cloud-hypervisor/archive/v51.1.tar.gz'],
    ['own-files', 'share/kata-sysext/debug.kernel', undefined, undefined],
    ['virtiofsd', 'bin/virtiofsd', '1.14.0', 'https://gitlab.com/virtio-fs/virtiofsd/-/archive/v1.14.0/virtiofsd-v1.14.0.tar.gz'],
    ['virtiofsd', 'libexec/virtiofsd', '1.14.0', 'https://gitlab.com/virtio-fs/virtiofsd/-/archive/v1.14.0/virtiofsd-v1.14.0.tar.gz'],
    ['linux', 'share/kata-containers/vmlinuz-6.18.35-202', '6.18.35', 'https://cdn.kernel.org/pub/linux/kernel/v6.x/linux-6.18.35.tar.xz'],
    ['linux', 'share/kata-containers/vmlinuz-6.18.40-202', '6.18.40', undefined],
    ['linux-nvidia-gpu', 'share/kata-containers/vmlinuz-6.18.35-202-nvidia-gpu', '6.18.35', undefined],
    ['linux-dragonball-experimental', 'share/kata-containers/vmlinux-dragonball-experimental.container', undefined, undefined],
    ['ovmf', 'share/ovmf/OVMF.fd', 'edk2-stable202508', 'https://github.com/tianocore/edk2/archive/edk2-stable202508.tar.gz'],
    ['guest-image', 'share/kata-containers/kata-ubuntu-resolute.image', undefined, undefined],
    [
      'kata-shim-rust',
      'runtime-rs/bin/containerd-shim-kata-v2',
      '4.1.0',
      'https://github.com/kata-containers/kata-containers/archive/4.1.0.tar.gz',
    ],
  ];
  for (const [name, path, version, source] of rows)
    it(`${path} is of ${name} ${version ?? 'of an unknown version'}`, async () => {
      const paths = [path];

      const component = await componentNamed(name, paths);

      assert.deepEqual([component?.version, component?.source, component?.paths], [version, source, paths]);
    });

  it('know the agent and the distribution in a guest image', async () => {
    const paths = ['share/kata-containers/kata-ubuntu-resolute.image'];

    const component = await componentNamed('guest-image', paths);

    assert.deepEqual(
      component?.inside.map(({ name, version, licence }) => [name, version, licence]),
      [
        ['kata-agent', '4.1.0', 'Apache-2.0'],
        ['ubuntu', 'resolute', undefined],
      ],
    );
  });

  it('leave a file of no component out', async () => {
    const versions = await readVersions(versionsYaml);

    const components = componentsOf({ paths: ['bin/other', 'share/own/kernel'], release: '4.1.0', versions });

    assert.deepEqual(components, []);
  });

  for (const [what, url, tag] of [
    ['http', 'http://example.org/qemu', 'v1'],
    ['a user', 'https://user:secret@example.org/qemu', 'v1'],
    ['a query', 'https://example.org/qemu?token=1', 'v1'],
    ['a fragment', 'https://example.org/qemu#x', 'v1'],
    ['no address', 'github.com/qemu', 'v1'],
    ['a tag that leads out', 'https://example.org/qemu', '../../other'],
    ['a tag with a query', 'https://example.org/qemu', 'v1?x=1'],
    ['a tag with a space', 'https://example.org/qemu', 'v 1'],
    ['a file of the machine', 'file:///etc', 'passwd'],
  ] as const)
    it(`take ${what} for no source`, async () => {
      const text = `assets:\n  hypervisor:\n    qemu:\n      url: ${JSON.stringify(url)}\n      tag: ${JSON.stringify(tag)}\n`;

      const component = await componentNamed('qemu', ['bin/qemu-system-x86_64'], text);

      assert.equal(component?.source, undefined);
    });

  it('take no version of a release for a part of an address that leads out', () => {
    const origin = kataOrigin('../../evil');

    const { source } = origin;

    assert.equal(source, undefined);
  });
});
