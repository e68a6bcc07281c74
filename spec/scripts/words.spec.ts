import assert from 'node:assert/strict';
import { sourceSentences } from '../../scripts/pages/sourceTexts.ts';
import { allWordProblems, checkedSources, wordProblems } from '../../scripts/words.ts';

describe('the words of the sources', () => {
  it('are those of the dictionary', () => {
    const problems = allWordProblems();

    assert.deepEqual(problems, []);
    assert.ok(checkedSources().length > 400, `only ${checkedSources().length} sources were found`);
  });
});

describe('the lint of words', () => {
  // %{ is what begins the code of a template.
  const rows: [what: string, source: string, texts: string[]][] = [
    ['a line comment', 'const a = 1; // One two.\n', ['1 One two.']],
    [
      'line comments below each other as one text',
      '// One two\n// three. Four five.\nx();\n// Six seven.\n',
      ['1 One two three.', '1 Four five.', '4 Six seven.'],
    ],
    ['a docstring without its stars', 'f();\n/**\n * One two\n * three.\n */\n', ['2 One two three.']],
    ['strings with more than one word', "const a = ['one', 'two three', \"it's four\"];\n", ['1 two three', "1 it's four"]],
    ['a template, with its code as one word', 'const a = `one %{b.c({ d: 1 })} two %{e} three`;\n', ['1 one \uE000 two \uE000 three']],
    [
      'a string inside the code of a template',
      "const a = `one %{b('two three')} four %{`five %{c} six`}`;\n",
      ['1 two three', '1 five \uE000 six', '1 one \uE000 four \uE000'],
    ],
    ['names between backticks as one word', '/** Calls `anew` again. */\n', ['1 Calls \uE000 again.']],
    [
      'what follows a regular expression with quotes and slashes',
      "const a = /['\"`/*]/.test(b) ? c / d : 'one two'; // three / four\n",
      ['1 one two', '1 three / four'],
    ],
  ];
  for (const [what, source, texts] of rows)
    it(`reads ${what}`, () => {
      const sentences = sourceSentences(source.replaceAll('%{', '${'));

      assert.deepEqual(
        sentences.map(({ line, text }) => `${line} ${text}`),
        texts,
      );
    });

  it('names a forbidden word with its file, its line and what to write, in comments and in messages', () => {
    const source =
      "import { anew } from './anew.ts';\n\n/** Made anew. */\nconst a = `%{b} was\n  told by Somebody else`;\nanew('anew');\n";

    const problems = wordProblems('cli/a.ts', source.replaceAll('%{', '${'));

    assert.deepEqual(
      problems.map((problem) => problem.replace(/: use .*/, '')),
      ['cli/a.ts:3: “anew”', 'cli/a.ts:4: “Somebody”', 'cli/a.ts:4: “was told”'],
    );
    assert.match(problems[0]!, /use “again” or “new”$/);
  });
});
