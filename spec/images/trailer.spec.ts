import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { KataError } from '../../cli/errors/index.ts';
import { readTrailer, trailerOf } from '../../cli/images/index.ts';
import type { ImageManifest } from '../../cli/images/types.ts';
import { textFiles } from '../support/textFiles.ts';

describe('the manifest behind an image', () => {
  const files = textFiles();

  for (const [schema, code, found] of [
    [2, 'image-newer', /has a manifest of schema 2$/],
    [0, 'image-damaged', /its manifest has schema 0, and no version wrote another one than 1$/],
    [undefined, 'image-damaged', /its manifest names no schema$/],
  ] as const) {
    it(`of ${schema === undefined ? 'no schema' : `schema ${schema}`} is refused with ${code}`, async () => {
      const path = files.put('image', '');
      const system = Buffer.alloc(4096);
      const manifest = { ...(schema === undefined ? {} : { schema }), filesystem: { sizeBytes: system.length } } as ImageManifest;
      writeFileSync(path, Buffer.concat([system, trailerOf(manifest)]));

      const refused = await readTrailer(path).then(
        () => assert.fail('it was read'),
        (error: KataError) => error,
      );

      assert.equal(refused.code, code);
      assert.match(refused.complaint.found, found);
    });
  }
});
