import assert from 'node:assert/strict';
import { parseJson } from '../../cli/documents/index.ts';
import { addMembers, cutMembers, readJsonText, sameJson, withoutRange } from '../../cli/documents/jsonFile/index.ts';
import { withoutText } from '../../cli/documents/withoutText.ts';
import { generator } from '../lab/random.ts';
import { seed } from '../support/sample.ts';

const path = '/etc/x.json';

function read(text: string): unknown {
  try {
    return readJsonText(text, path)?.value ?? 'blank';
  } catch {
    return 'refused';
  }
}

/** By the language's own reader, which takes a key twice. */
function judged(text: string): unknown {
  try {
    const value = parseJson(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : 'refused';
  } catch {
    return text.trim() === '' ? 'blank' : 'refused';
  }
}

/** Whether a key may be there twice: the language takes that, and the last one counts. */
function hasEqualTexts(text: string): boolean {
  const texts = (text.match(/"(?:[^"\\\n]|\\.)*"/g) ?? []).map((each) => each.replaceAll('\\u0061', 'a').replaceAll('\\u0062', 'b'));
  return new Set(texts).size < texts.length;
}

describe('JSON with places', () => {
  it('is taken where the language takes it, and says the same', () => {
    const next = generator(seed);
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '"\\u0061"',
      '"\\n"',
      '1',
      '-0.5e3',
      '01',
      'true',
      'null',
      ' ',
      '\n',
      '"',
      '\\',
      'x',
    ];
    let taken = 0;

    for (let count = 0; count < 30_000; count += 1) {
      let text = '{"a": {"b": [1, "\\u0062"]}, "c": -1.5}';
      for (let edits = next() % 4; edits > 0; edits -= 1) {
        const at = next() % (text.length + 1);
        text = text.slice(0, at) + pieces[next() % pieces.length] + text.slice(at + (next() % 3));
      }
      const [own, other] = [read(text), judged(text)];
      if (own !== 'refused') taken += 1;
      const twice = own === 'refused' && hasEqualTexts(text);
      assert.ok(twice || sameJson(own, other), `${text}: ${JSON.stringify(own)}, not ${JSON.stringify(other)}`);
    }

    assert.ok(taken > 5_000, `${taken} texts were taken`);
  });

  it('members come out as they went in, at the beginning, in the middle and at the end', () => {
    const text = '{\n  "a": 1,\n  "b": {"x": []},\n  "c": 3\n}\n';
    const root = readJsonText(text, path)!;

    const cuts = [['a'], ['b'], ['c'], ['a', 'b'], ['a', 'c'], ['b', 'c'], ['a', 'b', 'c'], ['none']].map((keys) =>
      cutMembers(text, root, keys),
    );
    const added = addMembers(text, root, [['d', { e: [true] }]]);

    assert.deepEqual(
      cuts.map((cut) => Object.keys(read(cut) as object).join('')),
      ['bc', 'ac', 'ab', 'c', 'b', 'a', '', 'abc'],
    );
    assert.equal(withoutRange(added.text, added.inserted, path), text);
    assert.deepEqual(Object.keys(read(added.text) as object), ['a', 'b', 'c', 'd']);
  });

  it('a range goes with the comma that it left to others; an undo does the same', () => {
    const text = '{}\n';
    const { text: wired, inserted } = addMembers(text, readJsonText(text, path)!, [['a', 1]]);
    const edited = wired.replace(/\n}/, ',\n  "b": 2\n}');

    const rests = [withoutRange(edited, inserted.trimEnd(), path), withoutText(edited, inserted.trimEnd(), path)];

    assert.deepEqual(
      rests.map((rest) => read(rest!)).map((value) => ({ ...(value as object) })),
      [{ b: 2 }, { b: 2 }],
    );
    assert.equal(withoutRange(edited + inserted, inserted.trimEnd(), path), undefined);
  });

  for (const [what, text, edit] of [
    ['in two lines', '{\n}\n', (wired: string) => wired.replace('{\n', '{\n  "b": 2,\n')],
    ['in one line', '{}\n', (wired: string) => wired.replace('{', '{"b": 2 , ')],
    ['on both sides', '{}\n', (wired: string) => wired.replace('{', '{"b": 2,').replace(/\n}/, ',\n  "c": 3\n}')],
  ] as const)
    it(`a range that was alone goes with the comma that others wrote before it: ${what}`, () => {
      const { text: wired, inserted } = addMembers(text, readJsonText(text, path)!, [['a', 1]]);
      const range = inserted.trimEnd();

      const rests = [withoutRange(edit(wired), range, path), withoutText(edit(wired), range, path)];

      const wanted = what === 'on both sides' ? { b: 2, c: 3 } : { b: 2 };
      assert.deepEqual(
        rests.map((rest) => ({ ...(parseJson(rest!) as object) })),
        [wanted, wanted],
      );
    });

  it('an undo leaves a range of JSON that cannot go, and takes its bytes from what is no JSON', () => {
    const range = '"a": 1';

    const rests = ['{"a": 1, "b": {"a": 1}}', '{"x": {"a": 1 }, broken', '{"x": [{"a": 1.5}]}'].map((text) =>
      withoutText(text, range, path),
    );

    assert.deepEqual(rests, [undefined, '{"x": { }, broken', undefined]);
  });

  it('a name of a key switches no refusal off', () => {
    const text = '{"it is no JSON": {"is no JSON": {"__proto__": {}}}}';

    const found = read(text);

    assert.equal(found, 'refused');
  });
});
