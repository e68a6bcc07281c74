import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readVersions } from '../../cli/sbom/versions.ts';
import { versionsYaml } from './versionsYaml.ts';

const place = ['assets', 'hypervisor', 'qemu', 'version'];

/** What must give a reason and no facts, with what the reason says. */
const hostile: [what: string, text: string | undefined, fault: RegExp][] = [
  ['no file', undefined, /has no versions\.yaml/],
  ['two megabytes', `a: ${'x'.repeat(2 << 20)}`, /more than 1048576 bytes/],
  ['a megabyte of marks', ','.repeat(1 << 20), /marks/],
  ['a list in a list in a list …', `${'['.repeat(9000)}${']'.repeat(9000)}`, /nested more than 64 deep/],
  [
    'a table in a table in a table …',
    Array.from({ length: 3000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    /more than 1048576 bytes|nested more than 64 deep/,
  ],
  ['aliases of aliases', 'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\nassets: {hypervisor: {qemu: {version: "1"}}}', /alias/],
  ['a key __proto__', 'assets:\n  __proto__:\n    hypervisor: {qemu: {version: "1"}}\n', /key __proto__/],
  ['a key constructor', 'constructor: {name: x}\n', /key constructor/],
  ['no YAML', 'a: "b\n: {', /cannot be used/],
];

describe('a versions.yaml', () => {
  it('gives the texts at their places', async () => {
    const versions = await readVersions(versionsYaml);

    const seen = [place, ['assets', 'kernel', 'url'], ['assets', 'hypervisor', 'none', 'version'], ['assets', 'hypervisor']];

    assert.deepEqual(
      seen.map((each) => versions.textAt(each)),
      ['v11.0.1', 'https://cdn.kernel.org/pub/linux/kernel/v6.x/', undefined, undefined],
    );
    assert.equal(versions.fault, undefined);
  });

  for (const [what, text, fault] of hostile)
    it(`with ${what} gives a reason and no facts`, async () => {
      const versions = await readVersions(text);

      const seen = versions.textAt(place);

      assert.match(versions.fault ?? '', fault);
      assert.equal(seen, undefined);
    });

  for (const value of ['4.10', 'true', '[1]', '{a: b}', '""', '"a\\u0007b"', '"a\\nb"', '"ä"', `"${'x'.repeat(600)}"`])
    it(`gives no text for ${value.slice(0, 20)}`, async () => {
      const versions = await readVersions(`a: ${value}\n`);

      const seen = versions.textAt(['a']);

      assert.equal(seen, undefined);
    });

  it('gives nothing that an object inherits', async () => {
    const versions = await readVersions('a: {b: "c"}\n');

    const seen = [['toString'], ['a', 'hasOwnProperty'], ['a', 'b', 'length'], ['__proto__', 'a']].map((each) => versions.textAt(each));

    assert.deepEqual(seen, [undefined, undefined, undefined, undefined]);
  });

  it('never throws, whatever its bytes are', async () => {
    const anything = fc.oneof(fc.string({ maxLength: 200 }), fc.string({ unit: 'binary', maxLength: 200 }), fc.json());

    await fc.assert(
      fc.asyncProperty(anything, async (text) => {
        const versions = await readVersions(text);

        assert.doesNotThrow(() => versions.textAt(place));
      }),
      { numRuns: 300 },
    );
  });
});
