import assert from 'node:assert/strict';
import { parseDocument, parseProgram, readDump, readings } from '../../cli/documents/toml/index.ts';
import { KataError } from '../../cli/errors/index.ts';

/** All that an object has without anybody's doing, and `prototype`, which functions have. */
const keys = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'isPrototypeOf',
  '__defineGetter__',
  '__lookupSetter__',
];

const escaped = (key: string) => `"${[...key].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join('')}"`;
const spellings: [string, (key: string) => string][] = [
  ['bare', (key) => key],
  ['quoted', (key) => `"${key}"`],
  ['literal', (key) => `'${key}'`],
  ['escaped', escaped],
  ['escaped in part', (key) => `"\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${key.slice(1)}"`],
  ['escaped by eight digits', (key) => `"\\U${key.charCodeAt(0).toString(16).padStart(8, '0')}${key.slice(1)}"`],
];
const places: [string, (key: string) => string][] = [
  ['a header', (key) => `[${key}]\nenv = 1\n`],
  ['the first part of a header', (key) => `[${key}.env]\nLD_PRELOAD = "/x.so"\n`],
  ['a later part of a header', (key) => `[plugins."a.b".${key}.env]\nLD_PRELOAD = "/x.so"\n`],
  ['a header with space', (key) => `[ a . ${key} ]\n`],
  ['an array of tables', (key) => `[[${key}]]\nmode = 0o777\n`],
  ['a part of an array of tables', (key) => `[[a]]\n[[a.${key}]]\n`],
  ['a key', (key) => `${key} = { env = { LD_PRELOAD = "/x.so" } }\n`],
  ['a dotted key', (key) => `[a]\nb.${key}.mode = 0o777\n`],
  ['an inline table', (key) => `a = { b = 1, ${key} = { uid = 1000 } }\n`],
  ['a table in a list', (key) => `a = [[{ b = 1 }], [{ ${key}.uid = 1000 }]]\n`],
  ['a text that is invalid later', (key) => `[${key}.env]\nLD_PRELOAD = "/x.so"\n[[[\n`],
];

describe('documents/toml: keys that lead out of a table', () => {
  for (const key of keys) {
    for (const [spelling, spell] of spellings) {
      it(`refuses ${key}, ${spelling}, wherever it is, by every reader`, () => {
        const before = inherited();
        const texts = places.map(([, write]) => `# a comment\n${write(spell(key))}`);

        const answers = texts.flatMap((text) =>
          [parseDocument, parseProgram, readings, readDump].map((read) => answerOf(() => read(text, 'x.toml'))),
        );

        assert.deepEqual(new Set(answers.map(({ code }) => code)), new Set(['engine-config-invalid']));
        assert.deepEqual(inherited(), before);
      });
    }
  }

  it('names the file, the line and the key', () => {
    const text = '# one\nversion = 3\n[plugins]\n[plugins.x."__pr\\u006fto__"]\n';

    const { found } = answerOf(() => parseDocument(text, '/etc/containerd/conf.d/a.toml'));

    assert.match(found, /^\/etc\/containerd\/conf\.d\/a\.toml, line 4, column 12, has the key __proto__\.$/);
  });

  it('takes these words where they are no keys, and keys like them', () => {
    const text =
      keys.map((key, index) => `x${index} = "${key}" # [${key}]\nproto-${index} = ['${key}']\n`).join('') +
      '[Constructor]\n["__proto__ "]\n';

    const all = readings(text, 'x.toml');

    assert.equal(all.length, 2);
    assert.equal(all[0]!['x0'], '__proto__');
  });

  it('gives tables that inherit nothing', () => {
    const { value } = parseDocument('a.b = { c = [{ d = 1 }] }\n[e]\n[[f]]\ng.h = 1\n', 'x.toml');

    const tables = tablesIn(value);

    assert.equal(tables.length, 7);
    assert.ok(tables.every((table) => Object.getPrototypeOf(table) === null));
  });
});

const mebi = 1024 * 1024;
const many = (text: string, times: number) => text.repeat(times);

/** Each is at most 1 MiB, and took the parser up to 950 MB and 10 s, or its whole stack. */
const large: [what: string, text: () => string, wanted: RegExp][] = [
  ['60,000 tables', () => Array.from({ length: 60_000 }, (_, i) => `[t${i}]\n`).join(''), /line 5001, column 1, has more than 5000 tables/],
  ['60,000 tables in a list', () => many('[[a]]\n', 60_000), /line 5001, column 1, has more than 5000 tables/],
  ['100,000 inline tables', () => `a = [${many('{},', 100_000)}]\n`, /more than 5000 tables/],
  ['more than 1 MiB', () => many('#\n', mebi / 2 + 1), /is larger than 1048576 bytes/],
  ['more than 1 MiB in letters of three bytes', () => `# ${many('€', mebi / 2)}\n`, /is larger than 1048576 bytes/],
  ['half a million numbers', () => `a = [${many('1,', mebi / 2 - 10)}]\n`, /more than 100000 keys, values and marks/],
  ['100,000 keys', () => Array.from({ length: 100_000 }, (_, i) => `k${i}=1\n`).join(''), /more than 100000 keys, values and marks/],
  ['half a million comments', () => many('#\n', mebi / 2 - 1), /more than 100000 keys, values and marks/],
  ['comments that end with CR', () => many('#\r', mebi / 2 - 1), /more than 100000 keys, values and marks/],
  ['a CR at the end', () => 'a = 1\nb = 2\r', /line 2, column 6, cannot be read as TOML 1\.0: a carriage return/],
  ['a no-break space', () => 'a = 1\u00a0\n', /line 1, column 6, cannot be read as TOML 1\.0/],
  ['a line separator', () => 'a = 1\u2028b = 2\n', /line 1, column 6, cannot be read as TOML 1\.0/],
  [
    'a key of half a million parts',
    () => `a${many('.a', mebi / 2 - 10)} = 1\n`,
    /line 1, column [0-9]+, has keys, lists or tables nested more than 64 deep/,
  ],
  ['a header of half a million parts', () => `[a${many('.a', mebi / 2 - 10)}]\n`, /nested more than 64 deep/],
  ['lists inside each other', () => `a = ${many('[', mebi / 4)}${many(']', mebi / 4)}\n`, /nested more than 64 deep/],
  ['lists that never end', () => `a = ${many('[', mebi - 10)}`, /nested more than 64 deep/],
  ['inline tables inside each other', () => `a = ${many('{a=', mebi / 8)}1${many('}', mebi / 8)}\n`, /nested more than 64 deep/],
  ['a text of 1 MiB', () => `a = "${many('x', mebi - 10)}"\n`, /a key, value or comment of more than 65536 characters/],
  [
    'a text over many lines',
    () => `a = """${many('x\n', mebi / 2 - 10)}"""\n`,
    /line 1, column 5, has a key, value or comment of more than 65536 characters/,
  ],
  ['a text of escapes', () => `a = "${many('\\n', mebi / 2 - 10)}"\n`, /more than 65536 characters/],
  ['a literal text', () => `a = '''${many('"', mebi - 20)}'''\n`, /more than 65536 characters/],
  ['a number of 1 MiB', () => `a = ${many('9', mebi - 10)}\n`, /more than 65536 characters/],
  ['a key of 1 MiB', () => `"${many('a', mebi - 10)}" = 1\n`, /more than 65536 characters/],
  ['a text without an end', () => `a = "${many('x', 100)}\nb = 1\n`, /line 1, column 5, has a string without an end/],
  ['a text over lines without an end', () => `a = """${many('""x', 1000)}`, /line 1, column 5, has a string without an end/],
];

describe('documents/toml: texts that are too much for a parser', () => {
  for (const [what, text, wanted] of large) {
    it(`refuses ${what} before it is parsed`, () => {
      const document = text();

      const { code, found } = answerOf(() => parseDocument(document, '/etc/x.toml'));

      assert.equal(code, 'engine-config-invalid');
      assert.match(found, wanted);
      assert.equal(found.includes('xxx'), false);
    });
  }

  const within: [what: string, text: string][] = [
    ['5,000 tables', Array.from({ length: 5000 }, (_, i) => `[t${i}]\n`).join('')],
    ['64 lists inside each other', `a = ${many('[', 64)}${many(']', 64)}\n`],
    [
      'brackets, dots and quotes in texts and comments',
      `# ${many('[', 1000)}${many('.', 1000)} "\na = "${many('[{.', 1000)}"\nb = '''${many('["', 9)}'''\n`,
    ],
    ['quotes at the end of a text', 'a = """x"""""\nb = \'\'\'y\'\'\'\'\'\nc = "\\\\"\nd = \'\\\'\n'],
    ['a value of 60,000 characters', `a = "${many('x', 60_000)}"\n`],
    ['CRLF, tabs and a byte order mark', '\ufeff[a]\r\n\tb = [\r\n\t1, # one\r\n\t]\r\n'],
    ['a date and a number with a dot', 'a = 1979-05-27T07:32:00.5Z\nb = 0.5\n'],
  ];
  for (const [what, text] of within) {
    it(`takes ${what}`, () => {
      const { value } = parseDocument(text, 'x.toml');

      assert.ok(Object.keys(value).length > 0);
    });
  }
});

function answerOf(read: () => unknown): { code: string; found: string } {
  try {
    read();
    return { code: 'none', found: '' };
  } catch (error) {
    return error instanceof KataError
      ? { code: error.code, found: error.complaint.found }
      : { code: 'another error', found: String(error) };
  }
}

/** What a hostile key would change: own names of what every object and every table of the second parser inherits. */
function inherited(): string[] {
  const functions = Object.getOwnPropertyNames(Object.prototype).map((name) => Reflect.get(Object.prototype, name) as object);
  return [Object.prototype, ...functions].flatMap((each) => Reflect.ownKeys(each)).map(String);
}

function tablesIn(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return [];
  return [...(Array.isArray(value) ? [] : [value]), ...Object.values(value).flatMap(tablesIn)];
}
