import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ownProperties, parseJson } from '../../cli/documents/index.ts';
import { absolutePath, count, digest, listOf, mapOf, misfitOf, tableOf, text } from '../../cli/documents/shapes.ts';

const keys = ['__proto__', 'constructor', 'prototype'];

/** Ways to write the same key. */
const spellings = (key: string) => [key, key.replace('o', '\\u006f'), [...key].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join('')];

describe('documents: JSON', () => {
  it('reads what JSON.parse reads, and no object of it inherits anything', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        fc.pre(!keys.some((key) => JSON.stringify(value).includes(key)));

        const read = parseJson(JSON.stringify(value, null, 1));

        assert.equal(JSON.stringify(read), JSON.stringify(value));
        assert.ok(objectsIn(read).every((each) => Object.getPrototypeOf(each) === null));
      }),
    );
  });

  for (const key of keys) {
    for (const spelled of spellings(key)) {
      for (const [where, write] of [
        ['at the top', (pair: string) => `{${pair}}`],
        ['in a table', (pair: string) => `{"a": {"b": {${pair}}}}`],
        ['in a list', (pair: string) => `[1, [{"a": 1, ${pair}}]]`],
        ['twice', (pair: string) => `{${pair}, ${pair}}`],
      ] as const) {
        it(`refuses the key ${spelled} ${where}`, () => {
          const document = write(`"${spelled}": {"env": {"LD_PRELOAD": "/x.so"}}`);

          const read = () => parseJson(document);

          assert.throws(read, (error) => error instanceof SyntaxError && error.message.startsWith(`it has the key ${key}`));
        });
      }
    }
  }

  it('takes these words as values', () => {
    const read = parseJson(JSON.stringify(keys));

    assert.deepEqual(read, keys);
  });

  const rows: [what: string, document: string, wanted: RegExp][] = [
    ['a million lists inside each other', '['.repeat(1_000_000), /nested more than 64 deep/],
    ['65 tables inside each other', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, /nested more than 64 deep/],
    ['two million values', `[${'1,'.repeat(2_000_000)}1]`, /more than 1000000 values/],
    ['more than 16 MiB', `"${'x'.repeat(16 * 1024 * 1024)}"`, /larger than 16777216 bytes/],
    ['more than 16 MiB of letters with three bytes', `"${'€'.repeat(6 * 1024 * 1024)}"`, /larger than 16777216 bytes/],
    ['nothing', '', /is no JSON/],
    ['half of it', '{"password": "hunter2', /is no JSON/],
    ['a comma too many', '[1,]', /is no JSON/],
  ];
  for (const [what, document, wanted] of rows) {
    it(`refuses ${what}, and shows nothing of it`, () => {
      const read = () => parseJson(document);

      assert.throws(read, (error) => error instanceof SyntaxError && wanted.test(error.message) && !error.message.includes('hunter2'));
    });
  }

  it('counts no bracket, comma or quote inside of a text', () => {
    const words = ['[[['.repeat(100), ','.repeat(2_000_000), '"\\"[', '\\'];

    const read = parseJson(JSON.stringify(words));

    assert.deepEqual(read, words);
  });
});

describe('documents: shapes', () => {
  const shape = tableOf({ name: text, files: listOf(tableOf({ path: absolutePath, size: count })), digests: mapOf(digest) });
  const whole = () => ({ name: 'a', files: [{ path: '/etc/a', size: 1 }], digests: { x: `sha256:${'0'.repeat(64)}` }, more: [null] });

  const rows: [what: string, value: unknown, wanted: string | undefined][] = [
    ['the whole', whole(), undefined],
    ['null', null, 'the value is not a table'],
    ['a list', [], 'the value is not a table'],
    ['a list for a table whose keys may be missing', { ...whole(), digests: [] }, 'digests is not a table'],
    ['nothing in it', {}, 'name is missing'],
    ['a number for a text', { ...whole(), name: 1 }, 'name is not a text'],
    ['null for a text', { ...whole(), name: null }, 'name is not a text'],
    ['a table for a list', { ...whole(), files: {} }, 'files is not a list'],
    ['a relative path', { ...whole(), files: [{ path: 'etc/a', size: 1 }] }, 'files.0.path is not an absolute path'],
    ['a path that climbs', { ...whole(), files: [{ path: '/etc/../a', size: 1 }] }, 'files.0.path is not an absolute path'],
    ['a path with NUL', { ...whole(), files: [{ path: '/etc/\0', size: 1 }] }, 'files.0.path is not an absolute path'],
    ['a fraction', { ...whole(), files: [{ path: '/', size: 0.5 }] }, 'files.0.size is not a whole number'],
    ['less than nothing', { ...whole(), files: [{ path: '/', size: -1 }] }, 'files.0.size is not a whole number'],
    ['more than a number holds', { ...whole(), files: [{ path: '/', size: 2 ** 60 }] }, 'files.0.size is not a whole number'],
    ['another digest', { ...whole(), digests: { x: 'md5:0' } }, 'digests.x is not a sha256 digest'],
  ];
  for (const [what, value, wanted] of rows) {
    it(`${what}: ${wanted ?? 'fits'}`, () => {
      const misfit = misfitOf(shape, value);

      assert.equal(misfit, wanted);
    });
  }
});

describe('documents: own properties', () => {
  it('has what the object has itself, and nothing that it inherits', () => {
    const given = Object.assign(Object.create({ env: { LD_PRELOAD: '/x.so' }, uid: 1000 }), { cwd: '/' }) as { cwd: string; uid?: number };

    const own = ownProperties(given);

    assert.equal(own.cwd, '/');
    assert.equal(own.uid, undefined);
    assert.equal('env' in own, false);
    assert.equal('toString' in own, false);
  });
});

function objectsIn(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return [];
  return [...(Array.isArray(value) ? [] : [value]), ...Object.values(value).flatMap(objectsIn)];
}
