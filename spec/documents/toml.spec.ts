import assert from 'node:assert/strict';
import iarna from '@iarna/toml';
import fc from 'fast-check';
import {
  addsExactly,
  eolOf,
  fillTemplate,
  findMark,
  insert,
  insertAtEnd,
  insertElement,
  insertTopLevelLine,
  parseDocument,
  renderTable,
  tomlKey,
  tomlString,
  topLevelValue,
  withoutMark,
} from '../../cli/documents/toml/index.ts';
import { KataError } from '../../cli/errors/index.ts';

describe('documents/toml: strings and tables', () => {
  it('writes any text so that two parsers read the same text again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary-ascii' }), (key, value) => {
        // What objects inherit is refused.
        fc.pre(!(key in {}) && !['__proto__', 'prototype'].includes(key));
        const text = `${tomlKey(key)} = ${tomlString(value)}\n`;

        const first = parseDocument(text, 'x').value;
        const second = iarna.parse(text);

        assert.equal(first[key], value);
        assert.equal(second[key], value);
      }),
    );
  });

  it('cannot be led out of a string by its content', () => {
    const evil = '"]\n[plugins.evil]\nx = "';

    const { value } = parseDocument(`shim = ${tomlString(evil)}\n`, 'x');

    assert.deepEqual({ ...value }, { shim: evil });
  });

  it('renders scalars before sub-tables and refuses other kinds', () => {
    const lines = renderTable(['a', 'b.c'], { n: 1, sub: { on: true }, list: ['x', 'y'] });

    assert.deepEqual(lines, ['[a."b.c"]', 'n = 1', 'list = ["x", "y"]', '', '[a."b.c".sub]', 'on = true']);
    assert.throws(
      () => renderTable(['a'], { f: 0.5 }),
      (error) => error instanceof KataError && error.code === 'engine-unsupported',
    );
  });

  it('refuses a template place without a value', () => {
    assert.throws(() => fillTemplate('a = {{nothing}}', {}), /nothing/);
  });
});

/** The text before, the list element, the text after. */
const elementCases: [string, string, string][] = [
  ['empty', 'imports = []\n', 'imports = ["N"]\n'],
  ['empty with a comment', 'imports = [ # none\n]\n', 'imports = ["N" # none\n]\n'],
  ['one line', 'imports = ["a"]\n', 'imports = ["a", "N"]\n'],
  ['trailing comma', 'imports = ["a", ]\n', 'imports = ["a", "N", ]\n'],
  ['several lines', 'imports = [\n  "a", # first\n  "b"  # second\n]\n', 'imports = [\n  "a", # first\n  "b", "N"  # second\n]\n'],
  ['several lines, trailing comma', "imports = [\n  'a',\n]\n", 'imports = [\n  \'a\', "N",\n]\n'],
  ['quoted key, byte order mark, CRLF', '\ufeff"imports" = ["a"]\r\n', '\ufeff"imports" = ["a", "N"]\r\n'],
];

describe('documents/toml: insertions', () => {
  for (const [name, before, wanted] of elementCases) {
    it(`adds an element to a list: ${name}`, () => {
      const doc = parseDocument(before, 'x');
      const list = topLevelValue(doc, 'imports');
      assert.equal(list?.type, 'TOMLArray');

      const added = insertElement(doc, list, '"N"');
      const after = insert(before, added);

      assert.equal(after, wanted);
      assert.equal(addsExactly(before, after, { imports: ['N'] }, 'x'), true);
      assert.equal(withoutMark(after, added.text, 'x'), before);
    });
  }

  const lineCases: [string, string, string][] = [
    ['above the first table', 'version = 2 # schema\n\n# about a\n[a]\nb = 1\n', 'version = 2 # schema\nX = 1\n\n# about a\n[a]\nb = 1\n'],
    ['below a list of several lines', 'v = [\n 1,\n]\n# end\n', 'v = [\n 1,\n]\nX = 1\n# end\n'],
    ['after a last line without its end', 'version = 2', 'version = 2\nX = 1\n'],
    ['CRLF', 'version = 2\r\n[a]\r\n', 'version = 2\r\nX = 1\r\n[a]\r\n'],
  ];
  for (const [name, before, wanted] of lineCases) {
    it(`adds a top-level line: ${name}`, () => {
      const added = insertTopLevelLine(parseDocument(before, 'x'), 'X = 1');

      assert.ok(added);
      assert.equal(insert(before, added), wanted);
      assert.equal(withoutMark(wanted, added.text, 'x'), before);
    });
  }

  it('has no place for a top-level line where there is no top-level key', () => {
    assert.equal(insertTopLevelLine(parseDocument('# only\n[a]\nb = 1\n', 'x'), 'X = 1'), undefined);
  });
});

const block = ['# BEGIN kata', '[z.kata]', 'x = 1', '# END'];

/** Lines of a believable file, in any order: comments, blanks, tables that are all different. */
const documents = fc
  .record({
    parts: fc.array(fc.constantFrom('', '   ', '# a comment', '# [z.kata]', '\t# tab'), { maxLength: 8 }),
    tables: fc.uniqueArray(fc.stringMatching(/^[a-y]{1,6}$/), { maxLength: 5 }),
    eol: fc.constantFrom('\n', '\r\n'),
    final: fc.boolean(),
    bom: fc.boolean(),
  })
  .map(({ parts, tables, eol, final, bom }) => {
    const lines = ['version = 2', ...parts, ...tables.flatMap((table) => [`[${table}]`, 'k = "v" # why', ...parts])];
    return (bom ? '\ufeff' : '') + lines.join(eol) + (final ? eol : '');
  });

describe('documents/toml: marks', () => {
  it('takes a block out again with every other byte kept', () => {
    fc.assert(
      fc.property(documents, (before) => {
        const added = insertAtEnd(before, block);
        const after = insert(before, added);

        assert.equal(addsExactly(before, after, { z: { kata: { x: 1 } } }, 'x'), true);
        assert.equal(withoutMark(after, added.text, 'x'), before);
      }),
    );
  });

  it('leaves exactly what others wrote before and after it meanwhile', () => {
    fc.assert(
      fc.property(
        documents,
        fc.nat(),
        fc.constantFrom('# theirs\n', '# theirs\r\n', '\n'),
        fc.constantFrom('', '\n[zz]\nb = 2\n', '# below\n'),
        (before, where, ahead, behind) => {
          const added = insertAtEnd(before, block);
          const lines = before.split(/(?<=\n)/).filter((line) => line !== '');
          const at = Math.max(1, where % lines.length);
          const edited = [
            ...lines.slice(0, at).map((line, i) => (i === at - 1 && !line.endsWith('\n') ? `${line}\n` : line)),
            ahead,
            ...lines.slice(at),
          ].join('');
          const now = edited + added.text + behind;

          const left = withoutMark(now, added.text, 'x');

          // Their line below must not be glued to a last line that never had an end: the line end that we brought stays.
          const joint = /^#/.test(behind) && edited !== '' && !edited.endsWith('\n') ? (/^\r?\n/.exec(added.text)?.[0] ?? '') : '';
          assert.equal(left, edited + joint + behind);
        },
      ),
    );
  });

  it('keeps the line end that it brought when others wrote below it', () => {
    const { text } = insertAtEnd('version = 2', block);

    const left = withoutMark(`version = 2${text}[theirs]\n`, text, 'x');

    assert.equal(left, 'version = 2\n[theirs]\n');
  });

  it('leaves a line that others wrote directly above it, newline included', () => {
    fc.assert(
      fc.property(documents, fc.constantFrom('# theirs', '[zz]', 'key = 1'), fc.constantFrom('', '[below]\n'), (text, line, behind) => {
        const eol = eolOf(text);
        const before = text.endsWith('\n') ? text : text + eol;
        const { text: mark } = insertAtEnd(before, block);
        const edited = before + eol + line;

        assert.equal(withoutMark(edited + mark + behind, mark, 'x'), edited + eol + behind);
      }),
    );
  });

  it('takes the comma too when others wrote behind an element in an empty list', () => {
    assert.equal(withoutMark('imports = ["N", "theirs"]\n', '"N"', 'x'), 'imports = ["theirs"]\n');
  });

  it('touches nothing where a key of others stands in our last table', () => {
    const { text } = insertAtEnd('version = 2\n', block);

    assert.equal(withoutMark(`version = 2\n${text}theirs = 1\n`, text, 'x'), undefined);
  });

  it('touches nothing where our text is changed or there twice', () => {
    const { text } = insertAtEnd('version = 2\n', block);

    assert.equal(withoutMark(`version = 2\n${text.replace('x = 1', 'x = 2')}`, text, 'x'), undefined);
    assert.equal(findMark('"N" "N"', '"N"'), undefined);
    assert.equal(findMark('anything', ''), undefined);
  });

  it('takes its text out of a file that cannot be read any more', () => {
    const { text } = insertAtEnd('version = 2\n', block);

    assert.equal(withoutMark(`version = 2\n${text}[broken\n`, text, 'x'), 'version = 2\n[broken\n');
  });
});
