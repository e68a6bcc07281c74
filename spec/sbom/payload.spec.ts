import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { noticeFiles, payloadSbom, type SbomRequest, spdxVersions } from '../../cli/sbom/index.ts';
import { type SpdxRead, spdxFaults } from '../support/judges/spdx.ts';
import { versionsYaml } from './versionsYaml.ts';

const hash = (kind: string, text: string) => createHash(kind).update(text).digest('hex');

function requestOf(more: Partial<SbomRequest> = {}): SbomRequest {
  const paths = [
    'VERSION',
    'bin/qemu-system-x86_64',
    'bin/virtiofsd',
    'runtime-rs/bin/containerd-shim-kata-v2',
    'share/kata-containers/kata-ubuntu-resolute.image',
    'share/kata-containers/vmlinuz-6.18.35-202',
    'share/other/ä\u202e\u0007"file',
    'versions.yaml',
  ];
  return {
    name: 'kata',
    release: '4.1.0',
    architecture: 'x86_64',
    payload: `sha256:${hash('sha256', 'payload')}`,
    files: paths.map((path) => ({ path, digest: `sha256:${hash('sha256', path)}`, sha1: hash('sha1', path) })),
    sources: [{ name: 'kata-static-4.1.0-amd64.tar.zst', digest: `sha256:${hash('sha256', 'archive')}` }],
    versions: versionsYaml,
    program: '0.1.0',
    createdSeconds: 1_767_225_600,
    ...more,
  };
}

describe('the SPDX document of a payload', () => {
  for (const version of spdxVersions) {
    it(`is one of SPDX ${version} by the official schema, and has every file with its digests in one package`, async () => {
      const request = requestOf();

      const text = await payloadSbom(version, request);

      const document = JSON.parse(text) as SpdxRead;
      assert.deepEqual(spdxFaults(text, version), []);
      assert.deepEqual(
        document.files?.map(({ fileName, checksums }) => [fileName, ...checksums.map(({ checksumValue }) => checksumValue)]),
        request.files.map(({ path, digest, sha1 }) => [`./${path}`, sha1, digest?.slice(7)]),
      );
      const owners = document.relationships.filter(({ relatedSpdxElement }) => relatedSpdxElement.startsWith('SPDXRef-File-'));
      assert.equal(owners.length, request.files.length);
      assert.equal(new Set(owners.map(({ relatedSpdxElement }) => relatedSpdxElement)).size, request.files.length);
    });

    it(`of SPDX ${version} is a document without facts for a hostile versions.yaml`, async () => {
      const request = requestOf({ versions: '__proto__: {a: b}\n' });

      const text = await payloadSbom(version, request);

      const { packages } = JSON.parse(text) as SpdxRead;
      const qemu = packages.find(({ name }) => name === 'qemu');
      assert.deepEqual(spdxFaults(text, version), []);
      assert.deepEqual([qemu?.versionInfo, qemu?.downloadLocation, qemu?.licenseDeclared], [undefined, 'NOASSERTION', 'GPL-2.0-only']);
      assert.match(text, /versions\.yaml cannot be used/);
    });
  }

  it('is the same for the same payload, and another one where anything differs', async () => {
    const [first, again, later] = [requestOf(), requestOf(), requestOf({ createdSeconds: 0 })];

    const texts = await Promise.all([first, again, later].map((request) => payloadSbom('2.3', request)));

    const [one, same, other] = texts.map((text) => (JSON.parse(text) as SpdxRead).documentNamespace);
    assert.equal(texts[0], texts[1]);
    assert.equal(one, same);
    assert.notEqual(one, other);
    assert.match(one ?? '', /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('has only printable ASCII, whatever a path has', async () => {
    const request = requestOf();

    const text = await payloadSbom('2.3', request);

    assert.match(text, /^[\x20-\x7e\n]*$/);
  });

  it('names component, version, licence and source as versions.yaml has them', async () => {
    const request = requestOf();

    const { packages } = JSON.parse(await payloadSbom('2.3', request)) as SpdxRead;

    assert.deepEqual(
      packages.map(({ name, versionInfo, licenseDeclared, downloadLocation }) => [name, versionInfo, licenseDeclared, downloadLocation]),
      [
        ['kata', '4.1.0', 'NOASSERTION', 'NOASSERTION'],
        ['kata-shim-rust', '4.1.0', 'Apache-2.0', 'https://github.com/kata-containers/kata-containers/archive/4.1.0.tar.gz'],
        ['qemu', '11.0.1', 'GPL-2.0-only', 'https://github.com/qemu/qemu/archive/v11.0.1.tar.gz'],
        [
          'virtiofsd',
          '1.14.0',
          'Apache-2.0 AND BSD-3-Clause',
          'https://gitlab.com/virtio-fs/virtiofsd/-/archive/v1.14.0/virtiofsd-v1.14.0.tar.gz',
        ],
        ['linux', '6.18.35', 'GPL-2.0-only WITH Linux-syscall-note', 'https://cdn.kernel.org/pub/linux/kernel/v6.x/linux-6.18.35.tar.xz'],
        ['guest-image', undefined, 'NOASSERTION', 'NOASSERTION'],
        ['kata-configuration', '4.1.0', 'Apache-2.0', 'https://github.com/kata-containers/kata-containers/archive/4.1.0.tar.gz'],
        ['dragonball', '4.1.0', 'Apache-2.0', 'https://github.com/kata-containers/kata-containers/archive/4.1.0.tar.gz'],
        ['kata-agent', '4.1.0', 'Apache-2.0', 'https://github.com/kata-containers/kata-containers/archive/4.1.0.tar.gz'],
        ['ubuntu', 'resolute', 'NOASSERTION', 'NOASSERTION'],
        ['kata-static-4.1.0-amd64.tar.zst', '4.1.0', 'NOASSERTION', 'NOASSERTION'],
      ],
    );
  });
});

describe('the notices of a payload', () => {
  it('are the document, a text for each licence, the sources with an address for each known one, and a written offer', async () => {
    const request = requestOf();

    const files = await noticeFiles(request);

    const textOf = (path: string) => files.find((file) => file.path === path)?.text ?? '';
    const sources = textOf('usr/share/licenses/kata/SOURCES');
    assert.deepEqual(
      files.map(({ path }) => path),
      [
        'usr/share/os-manifests/package-manifest.kata.spdx.json',
        ...['Apache-2.0', 'BSD-3-Clause', 'GPL-2.0', 'GPL-3.0', 'LGPL-2.1', 'LGPL-3.0', 'Linux-syscall-note', 'MIT'].map(
          (name) => `usr/share/licenses/kata/${name}.txt`,
        ),
        'usr/share/licenses/kata/SOURCES',
        'usr/share/licenses/kata/WRITTEN-OFFER',
      ],
    );
    assert.deepEqual(spdxFaults(textOf('usr/share/os-manifests/package-manifest.kata.spdx.json'), '2.2'), []);
    assert.match(
      sources,
      /^qemu \| 11\.0\.1 \| GPL-2\.0-only .*\| https:\/\/github\.com\/qemu\/qemu\/archive\/v11\.0\.1\.tar\.gz \| offer/m,
    );
    assert.match(sources, /^linux \| 6\.18\.35 \| .* \| offer$/m);
    assert.match(sources, /^virtiofsd \| 1\.14\.0 \| Apache-2\.0 AND BSD-3-Clause \| https:\S+$/m);
    assert.match(textOf('usr/share/licenses/kata/WRITTEN-OFFER'), new RegExp(`release 4\\.1\\.0 and payload ${request.payload}`));
  });
});
