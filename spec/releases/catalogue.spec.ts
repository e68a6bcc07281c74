import assert from 'node:assert/strict';
import { misfitOf } from '../../cli/documents/shapes.ts';
import { handlerRow } from '../../cli/layout/index.ts';
import { catalogueShape } from '../../cli/releases/catalogue.ts';
import { archivesOf, namedRelease, ownCatalogue } from '../../cli/releases/index.ts';

const catalogue = ownCatalogue();
const choice = { architecture: 'x86_64', handlers: undefined, from: undefined } as const;

describe('the catalogue of releases', () => {
  it('is one, with default handlers that the program knows and the shim of each among the archives', () => {
    const versions = catalogue.releases.map(({ version }) => version);

    assert.equal(misfitOf(catalogueShape, catalogue), undefined);
    assert.equal(new Set(versions).size, versions.length);
    for (const { handler, archives } of catalogue.releases)
      assert.ok(
        archives.some(({ families }) => families.includes(handlerRow(handler).family)),
        handler,
      );
  });

  it('gives the archives that the handlers need, from where Kata publishes them', () => {
    const usual = archivesOf(catalogue, { ...choice, named: 'kata@4.2.0' });
    const both = archivesOf(catalogue, { ...choice, named: 'kata@4.2.0', handlers: ['qemu', 'clh-runtime-rs'] });

    assert.deepEqual(usual.sources, [`${catalogue.origin}/4.2.0/kata-static-4.2.0-amd64.tar.zst`]);
    assert.deepEqual(
      both.sources.map((source) => source.split('/').at(-1)),
      ['kata-go-static-4.2.0-amd64.tar.zst', 'kata-static-4.2.0-amd64.tar.zst'],
    );
    assert.equal(new Set(both.digests).size, 2);
  });

  it('gives them from a mirror or a folder', () => {
    const mirror = archivesOf(catalogue, { ...choice, named: 'kata@4.1.0', from: 'https://mirror.example.org/kata/' });
    const folder = archivesOf(catalogue, { ...choice, named: 'kata@4.1.0', from: '/mnt/usb' });

    assert.deepEqual(mirror.sources, ['https://mirror.example.org/kata/kata-static-4.1.0-amd64.tar.zst']);
    assert.deepEqual(folder.sources, ['/mnt/usb/kata-static-4.1.0-amd64.tar.zst']);
    assert.deepEqual(mirror.digests, folder.digests);
  });

  const refused: [title: string, change: Partial<Parameters<typeof archivesOf>[1]>, found: RegExp][] = [
    ['a release that it lacks', { named: 'kata@4.2.1' }, /4\.2\.1 is not in the catalogue kata; did you mean 4\.2\.0\?/],
    ['an architecture that it lacks', { named: 'kata@4.1.0', architecture: 's390x' }, /with the Rust shim for s390x/],
    ['a shim that it lacks', { named: 'kata@4.1.0', handlers: ['qemu'] }, /with the Go shim for x86_64/],
    ['a word like a path', { named: 'kata@../../etc' }, /is not in the catalogue/],
  ];
  for (const [title, change, found] of refused)
    it(`refuses ${title}`, () => {
      assert.throws(() => archivesOf(catalogue, { ...choice, named: '', ...change }), { code: 'release-unknown', message: found });
    });

  it('a release stands for itself: no file beside it, and no digest', () => {
    assert.equal(namedRelease({ sources: ['/a/kata@4.2.0'], digests: [] }), undefined);
    assert.equal(namedRelease({ sources: ['kata@4.2.0'], digests: [undefined] }), 'kata@4.2.0');
    assert.throws(() => namedRelease({ sources: ['kata@4.2.0', '/b'], digests: [] }), { code: 'usage' });
    assert.throws(() => namedRelease({ sources: ['kata@4.2.0'], digests: [`sha256:${'0'.repeat(64)}`] }), { code: 'usage' });
  });
});
