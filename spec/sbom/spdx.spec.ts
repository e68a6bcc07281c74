import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type SpdxInput, spdxDocument, spdxText, spdxVersions } from '../../cli/sbom/index.ts';
import { type SpdxRead, spdxFaults } from '../support/judges/spdx.ts';

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function inputOf(more: Partial<SpdxInput> = {}): SpdxInput {
  return {
    version: '2.3',
    name: 'kata-sysext',
    namespace: 'urn:uuid:01234567-89ab-8cde-8f01-23456789abcd',
    createdSeconds: 1_700_000_000.9,
    creators: ['Tool: kata-sysext-0.1.0'],
    describes: ['payload'],
    packages: [
      { key: 'payload', name: 'payload', files: ['b', 'a'] },
      {
        key: 'qemu',
        name: 'qemu',
        version: '11.0.1',
        supplier: 'Organization: QEMU',
        download: 'https://example.org/qemu.tar.xz',
        homepage: 'https://example.org',
        licence: 'GPL-2.0-only AND LicenseRef-own',
        copyright: 'its authors',
        digests: { sha256: sha256('q'), sha512: 'ab'.repeat(64) },
        purl: 'pkg:generic/qemu@11.0.1',
        purpose: 'APPLICATION',
        sourceInfo: 'versions.yaml',
        comment: 'a comment',
        fileName: 'qemu.tar.xz',
      },
    ],
    files: [
      { key: 'a', path: 'bin/ä', digests: { sha1: sha1('a'), sha256: sha256('a') }, kinds: ['BINARY'] },
      { key: 'b', path: 'bin/b', digests: { sha1: sha1('b') }, licence: 'MIT' },
    ],
    relationships: [{ from: 'payload', type: 'CONTAINS', to: 'qemu' }],
    otherLicences: [{ id: 'LicenseRef-own', name: 'own', text: 'do as you like' }],
    ...more,
  };
}

describe('the writer of SPDX documents', () => {
  for (const version of spdxVersions) {
    it(`writes what the official schema of SPDX ${version} takes`, () => {
      const input = inputOf({ version });

      const text = spdxText(input);

      assert.deepEqual(spdxFaults(text, version), []);
      assert.equal(text, spdxText(inputOf({ version })), 'the same input, the same bytes');
    });
  }

  it('says NOASSERTION where a fact is missing, and leaves out what SPDX does not need', () => {
    const input = inputOf({ packages: [{ key: 'payload', name: 'payload' }], files: [], relationships: [], otherLicences: [] });

    const document = spdxDocument(input);

    assert.deepEqual(document['packages'], [
      {
        SPDXID: 'SPDXRef-Package-payload',
        name: 'payload',
        supplier: 'NOASSERTION',
        downloadLocation: 'NOASSERTION',
        filesAnalyzed: false,
        licenseConcluded: 'NOASSERTION',
        licenseDeclared: 'NOASSERTION',
        copyrightText: 'NOASSERTION',
      },
    ]);
    assert.deepEqual(Object.keys(document).includes('files'), false);
  });

  it('makes the verification code of a package from the sorted SHA-1s of its files', () => {
    const { packages } = spdxDocument(inputOf()) as unknown as SpdxRead;

    const code = packages[0]?.packageVerificationCode?.packageVerificationCodeValue;

    assert.equal(code, sha1([sha1('a'), sha1('b')].sort().join('')));
  });

  it('writes the time in whole seconds', () => {
    const { creationInfo } = spdxDocument(inputOf()) as unknown as SpdxRead;

    const { created } = creationInfo;

    assert.equal(created, '2023-11-14T22:13:20Z');
  });

  it('gives keys that become the same id ids of their own', () => {
    const packages = ['a/b', 'a b', 'a-b'].map((key) => ({ key, name: key }));
    const input = inputOf({ packages, files: [], describes: ['a/b'], relationships: [] });

    const document = spdxDocument(input) as unknown as SpdxRead;

    assert.deepEqual(
      document.packages.map(({ SPDXID }) => SPDXID),
      ['SPDXRef-Package-a-b', 'SPDXRef-Package-a-b-2', 'SPDXRef-Package-a-b-3'],
    );
  });

  it('refuses a key that is there twice, and one that nothing has', () => {
    const twice = inputOf({ files: [{ key: 'qemu', path: 'x', digests: { sha1: sha1('x') } }] });
    const absent = inputOf({ describes: ['__proto__'] });

    const attempts = [twice, absent].map((input) => () => spdxDocument(input));

    for (const attempt of attempts) assert.throws(attempt, RangeError);
  });
});
