import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KataError } from '../../cli/errors/index.ts';
import { digestsOf, readImage, readTrailer, trailerOf } from '../../cli/images/index.ts';
import { sha256 } from '../support/digests.ts';
import { manifestIn } from '../support/judges/images.ts';
import { textFiles } from '../support/textFiles.ts';
import { plainManifest, writeImage } from './imageManifests.ts';

async function refusal(work: Promise<unknown>): Promise<KataError> {
  const error: unknown = await work.then(
    () => assert.fail('it was read'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof KataError, String(error));
  return error;
}

describe('an image that is read', () => {
  const files = textFiles();
  const at = (name: string) => join(files.folder, name);

  it('has the digest that sha256sum gives, and says what its manifest says', async () => {
    writeImage(at('plain.raw'));
    const [digest] = execFileSync('sha256sum', [at('plain.raw')], { encoding: 'utf8' }).split(' ');

    const { image } = await readImage(at('plain.raw'));

    const { digest: seen, sizeBytes, files: count, contentBytes, handlers } = image;
    assert.deepEqual([seen, sizeBytes], [`sha256:${digest}`, readFileSync(at('plain.raw')).length]);
    assert.deepEqual([count, contentBytes], [2, 'a shim\n'.length + '[hypervisor.qemu]\npath = "/opt/kata/bin/qemu"\n'.length]);
    assert.deepEqual(handlers, [{ name: 'kata-qemu', family: 'go', hypervisor: 'qemu', own: undefined }]);
  });

  it('a file system of any size gets a trailer at a whole block, and is whole afterwards', async () => {
    for (const sizeBytes of [1, 4095, 4096, 4097]) {
      const filesystem = Buffer.alloc(sizeBytes, 3);
      const file = Buffer.concat([filesystem, trailerOf(plainManifest(filesystem))]);
      writeFileSync(at('sized.raw'), file);

      const { manifest, start } = manifestIn(file);
      const read = await readImage(at('sized.raw'));

      assert.deepEqual(manifest, plainManifest(filesystem));
      assert.deepEqual([start % 4096, file.length % 4096, start >= sizeBytes], [0, 0, true]);
      assert.equal(JSON.stringify(read.manifest), JSON.stringify(manifest));
    }
  });

  it('one bit of its file system is enough to refuse it', async () => {
    writeImage(at('flipped.raw'));
    const bytes = readFileSync(at('flipped.raw'));
    bytes[2000]! ^= 1;
    writeFileSync(at('flipped.raw'), bytes);

    const { code, complaint } = await refusal(readImage(at('flipped.raw')));

    assert.equal(code, 'image-damaged');
    assert.match(complaint.found, /its first 4096 bytes have the digest sha256:[0-9a-f]{64}, not sha256:/);
  });

  it('no bit of its manifest or its end can flip unseen', async () => {
    writeImage(at('bits.raw'));
    const good = readFileSync(at('bits.raw'));
    const { start } = manifestIn(good);
    const end = good.lastIndexOf(10) + 1;

    for (let position = start; position < end; position += 7) {
      const bytes = Buffer.from(good);
      bytes[position]! ^= 1 << (position % 8);
      writeFileSync(at('bits.raw'), bytes);
      const { code } = await refusal(readImage(at('bits.raw')));
      assert.match(code, /^image-(damaged|unknown)$/, `byte ${position}`);
    }
  });

  const ends: [what: string, change: (bytes: Buffer) => Buffer, code: string][] = [
    ['cut off by a byte', (bytes) => bytes.subarray(0, -1), 'image-unknown'],
    ['cut off in its file system', (bytes) => bytes.subarray(0, 100), 'image-unknown'],
    ['with a byte more', (bytes) => Buffer.concat([bytes, Buffer.from('x')]), 'image-unknown'],
    ['empty', () => Buffer.alloc(0), 'image-unknown'],
    ['with a manifest beyond its end', (bytes) => ended(bytes, 1 << 20, 100), 'image-damaged'],
    ['with a manifest that never ends', (bytes) => ended(bytes, 0, 999_999_999), 'image-damaged'],
    ['with a manifest of another place', (bytes) => ended(bytes, 0, 100), 'image-damaged'],
  ];
  for (const [what, change, code] of ends)
    it(`one that is ${what}: ${code}`, async () => {
      writeImage(at('ends.raw'));
      writeFileSync(at('ends.raw'), change(readFileSync(at('ends.raw'))));

      assert.equal((await refusal(readImage(at('ends.raw')))).code, code);
    });

  const manifests: [what: string, manifest: object, found: RegExp][] = [
    ['a list', [], /names no schema/],
    ['of a wrong type', { ...plainManifest(), handlers: 'all' }, /lacks "handlers", or has something else there/],
    ['without its contents', { ...plainManifest(), contents: undefined }, /lacks "contents"/],
    [
      'with a size below zero',
      { ...plainManifest(), filesystem: { sizeBytes: -1, digest: plainManifest().payload } },
      /lacks "filesystem.sizeBytes"/,
    ],
    ['with an unknown format', { ...plainManifest(), format: 'ext4' }, /lacks "format"/],
  ];
  for (const [what, manifest, found] of manifests)
    it(`a manifest ${what} is refused`, async () => {
      writeImage(at('shape.raw'), manifest);

      const error = await refusal(readImage(at('shape.raw')));

      assert.equal(error.code, 'image-damaged');
      assert.match(error.complaint.found, found);
    });

  it('a file that is not there says so, and a folder or a pipe is no image', async () => {
    execFileSync('mkfifo', [at('pipe')]);

    const missing = await refusal(readImage(at('gone.raw')));
    const pipe = await refusal(readImage(at('pipe')));

    assert.deepEqual([missing.code, pipe.code], ['bundle-missing', 'image-unknown']);
    assert.equal(await readTrailer(at('pipe')), undefined);
  });

  it('a command that it names reaches a file of any name, and nothing else', async () => {
    const path = at("it's $(touch pwned); gone.raw");

    const { complaint } = await refusal(readImage(path));
    writeFileSync(path, '');
    const seen = execFileSync('sh', ['-c', complaint.next], { cwd: files.folder, encoding: 'utf8' });

    assert.ok(seen.trim().endsWith(path), seen);
    assert.throws(() => readFileSync(at('pwned')));
  });

  it('both digests come from one pass, however the bytes are cut', async () => {
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));
    for (const [pieceBytes, startBytes] of [
      [1, 10],
      [7, 14],
      [300, 299],
      [1000, 0],
      [1000, 1000],
      [10, 2000],
    ] as const) {
      const pieces = async function* () {
        for (let from = 0; from < bytes.length; from += pieceBytes) yield bytes.subarray(from, from + pieceBytes);
      };

      const seen = await digestsOf(pieces(), startBytes);

      assert.deepEqual(seen, { whole: `sha256:${sha256(bytes)}`, start: `sha256:${sha256(bytes.subarray(0, startBytes))}` });
    }
  });
});

/** The same file with an end that names another place and length for its manifest. */
function ended(bytes: Buffer, start: number, length: number): Buffer {
  const end = Buffer.alloc(256);
  end.write(`kata-sysext-image 1 ${start} ${length} sha256:${'0'.repeat(64)}\n`);
  return Buffer.concat([bytes.subarray(0, -256), end]);
}
