import assert from 'node:assert/strict';
import { KataError } from '../../cli/errors/index.ts';
import { requireSane } from '../../cli/images/index.ts';
import type { ImageManifest } from '../../cli/images/types.ts';
import { fileAt, inside, linkAt, plainManifest } from './imageManifests.ts';

/** 'taken', or what the refusal names. */
function said(edit: (manifest: ImageManifest) => void): string {
  const manifest = structuredClone(plainManifest());
  edit(manifest);
  try {
    requireSane('/x.raw', manifest, inside);
    return 'taken';
  } catch (error) {
    assert.ok(error instanceof KataError && error.code === 'image-damaged');
    return error.complaint.found;
  }
}

const add =
  (...entries: ImageManifest['contents']) =>
  (manifest: ImageManifest) =>
    void manifest.contents.push(...entries);
const handler = (change: Partial<ImageManifest['handlers'][number]>) => (manifest: ImageManifest) =>
  void Object.assign(manifest.handlers[0]!, change);

describe('what an image may say of itself', () => {
  it('a manifest with one handler is taken', () => {
    assert.equal(
      said(() => undefined),
      'taken',
    );
  });

  const taken: [what: string, entries: ImageManifest['contents']][] = [
    ['to a file beside it', [linkAt(`${inside}/bin/other`, 'shim')]],
    ['to a file of another folder of the release', [linkAt(`${inside}/bin/c`, '../etc/configuration.toml')]],
    ['by way of another link', [linkAt(`${inside}/up`, 'bin'), linkAt(`${inside}/etc/c`, '../up/shim')]],
    ['to nothing in the release', [linkAt(`${inside}/bin/gone`, './gone/too')]],
    ['in a circle', [linkAt(`${inside}/a`, 'b'), linkAt(`${inside}/b`, 'a')]],
  ];
  for (const [what, entries] of taken) it(`a link ${what} is taken`, () => assert.equal(said(add(...entries)), 'taken'));

  const stray: [what: string, entries: ImageManifest['contents']][] = [
    ['to a file of the host', [linkAt(`${inside}/bin/x`, '/etc/shadow')]],
    ['to a file of the image by its absolute path', [linkAt(`${inside}/bin/x`, `/${inside}/bin/shim`)]],
    ['to the folder above the release', [linkAt(`${inside}/x`, '..')]],
    ['out of the release and in again', [linkAt(`${inside}/x`, '../kata/bin')]],
    ['that goes up behind a folder', [linkAt(`${inside}/bin/x`, 'y/../../../../../etc/shadow')]],
    ['by way of another link', [linkAt(`${inside}/bin/x`, 'up/../..'), linkAt(`${inside}/bin/up`, '..')]],
    ['without a target', [linkAt(`${inside}/bin/x`, '')]],
    ['beside the release out of the image', [linkAt('usr/lib/x', '../../../etc')]],
    ['beside the release to the host', [linkAt('usr/lib/x', '/etc')]],
  ];
  for (const [what, entries] of stray)
    it(`a link ${what} is refused`, () => {
      const found = said(add(...entries));

      assert.equal(found, `/x.raw: its manifest names ${JSON.stringify(entries[0]!.path)}, which cannot be`);
    });

  const refused: [what: string, edit: (manifest: ImageManifest) => void, named: string][] = [
    ['a path with ..', add(fileAt(`${inside}/../../../etc/x`, 'x')), '../../../etc/x'],
    ['an absolute path', add(fileAt('/etc/x', 'x')), '/etc/x'],
    ['a path with .', add(fileAt('usr/./x', 'x')), 'usr/./x'],
    ['an empty path', add(fileAt('', 'x')), '""'],
    ['a path with a NUL', add(fileAt('usr/x\0y', 'x')), 'usr/x'],
    ['a set-uid file', add(fileAt('usr/x', 'x', 0o4755)), 'usr/x'],
    ['a file that others may write', add(fileAt('usr/x', 'x', 0o666)), 'usr/x'],
    ['a text that is no file of it', (manifest) => void Object.assign(manifest.texts, { '../../etc/x': 'x' }), '../../etc/x'],
    ['a handler that no release has', handler({ name: 'kata-x', release: 'x' }), 'kata-x'],
    ['a handler under a name of another', handler({ name: 'kata-clh' }), 'kata-clh'],
    ['a handler whose shim is not in it', handler({ shim: 'bin/gone' }), 'kata-qemu'],
    ['a shim outside the release', handler({ shim: '../../bin/sh' }), 'kata-qemu'],
    ['a handler without the text of its configuration', handler({ configuration: 'bin/shim' }), 'bin/shim'],
  ];
  for (const [what, edit, named] of refused)
    it(`${what} is refused by name`, () => {
      const found = said(edit);

      assert.match(found, /^\/x\.raw: its manifest names ".*", which cannot be$/s);
      assert.ok(found.includes(named), found);
    });

  it('a text is the file that the contents list, byte for byte', () => {
    const found = said((manifest) => {
      manifest.texts['etc/configuration.toml'] += 'enable_debug = true\n';
    });

    assert.equal(found, '/x.raw: the text of "etc/configuration.toml" in its manifest is not the file that its contents list');
  });
});

describe('a handler of an image with files of a user', () => {
  const kernel = fileAt(`${inside}/own/vmlinux`, 'a kernel');
  const file = { kind: 'kernel' as const, name: 'vmlinux', path: 'own/vmlinux', digest: kernel.digest!, sizeBytes: kernel.sizeBytes! };
  const withOwn =
    (change: object, name = 'kata-mine', base = 'kata-qemu') =>
    (manifest: ImageManifest) => {
      manifest.contents.push(kernel);
      manifest.handlers.push({ ...manifest.handlers[0]!, name, own: { base, files: [{ ...file, ...change }] } });
    };

  const rows: [what: string, edit: (manifest: ImageManifest) => void, isTaken: boolean][] = [
    ['that the contents list', withOwn({}), true],
    ['with another digest', withOwn({ digest: `sha256:${'0'.repeat(64)}` }), false],
    ['of another size', withOwn({ sizeBytes: 1 }), false],
    ['that is not in it', withOwn({ path: 'own/gone' }), false],
    ['that name a place of the machine that made it', withOwn({ place: '/root/vmlinux' }), false],
    ['under the name of a handler of the release', withOwn({}, 'kata-qemu'), false],
    ['under a name that leads elsewhere', withOwn({}, '../x'), false],
    ['like a handler that is not in it', withOwn({}, 'kata-mine', 'kata-clh'), false],
  ];
  for (const [what, edit, isTaken] of rows)
    it(`${what}: ${isTaken ? 'is taken' : 'is refused'}`, () => {
      assert.equal(said(edit) === 'taken', isTaken);
    });
});
