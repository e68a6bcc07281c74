import assert from 'node:assert/strict';
import { forbiddenWords, prosePages } from '../../scripts/pages/proseRules.ts';
import { manSentences, markdownSentences, wordCount } from '../../scripts/pages/sentences.ts';
import { allProblems, proseProblems } from '../../scripts/prose.ts';

const words = (count: number) => `${Array.from({ length: count }, () => 'word').join(' ')}.`;

describe('the prose of the documents', () => {
  it('keeps the rules on every page', () => {
    const problems = allProblems();

    assert.deepEqual(problems, []);
    assert.ok(prosePages().length > 25, `only ${prosePages().length} pages were found`);
  });
});

describe('the lint of prose', () => {
  it('counts the words of a sentence, with code as one word and a link as its text', () => {
    const page = 'Run `kata-sysext install BUNDLE --dry-run` first – see [the page of it](a.md#b).\n';

    const [sentence] = markdownSentences(page);

    assert.equal(wordCount(sentence!.text), 8);
  });

  it('takes headings, items and cells as sentences of their own, and leaves out code, comments and rules of tables', () => {
    const page = '# A\n<!-- b -->\nC d\ne. F.\n\n- g\n  h\n- i\n\n| j | k l |\n| --- | --- |\n| m | n |\n\n```sh\no\n```\n> p\n';

    const sentences = markdownSentences(page).map(({ line, text }) => `${line} ${text}`);

    assert.deepEqual(sentences, ['1 A', '3 C d e.', '3 F.', '6 g h', '8 i', '10 j', '10 k l', '12 m', '12 n', '17 p']);
  });

  it('reads the text of a man page without its tags, requests and examples', () => {
    const page = '.SH A\nOne two.\nThree\n.TP\n.B tag\nA \\fBb c\\fR d\\-e.\n.nf\nanew\n.fi\n';

    const sentences = manSentences(page).map(({ text }) => text);

    assert.deepEqual(
      sentences.map((text) => [text, wordCount(text)]),
      [
        ['One two.', 2],
        ['Three', 1],
        ['A \uE000 d-e.', 3],
      ],
    );
  });

  it('names a sentence of more than 40 words and a page of more than 20 on average', () => {
    const page = `${words(41)}\n\n${words(40)}\n`;

    const problems = proseProblems('docs/a.md', page);

    assert.deepEqual(
      problems.map((problem) => problem.replace(/: word.*/, '')),
      ['docs/a.md:1: 41 words, at most 40', 'docs/a.md: 40.5 words a sentence, at most 20'],
    );
    assert.deepEqual(proseProblems('docs/a.md', `${words(40)} A short one ends it.\n\nWell. Good.\n`), []);
  });

  it('names a forbidden word with its line and what to write, in whatever case, but not in code', () => {
    const page = 'Fine.\n\nIt is made Anew.\n\n`anew`\n\n```\nanew\n```\n\nRenewed.\n';

    const problems = proseProblems('docs/a.md', page);

    assert.deepEqual(problems, ['docs/a.md:3: “Anew”: use “again” or “new”']);
  });

  it('lets only the pages of figures speak of the lab', () => {
    const page = 'It takes 3 s in the lab.\n';

    const [problem] = proseProblems('docs/guides/a.md', page);

    assert.match(problem!, /no figures of a lab/);
    assert.deepEqual(proseProblems('docs/benchmarks.md', page), []);
  });

  it('names a page of more than 200 lines, unless it is made', () => {
    const body = 'A\n\n'.repeat(101);
    const made = `# A\n\n<!-- Made from cli/x by scripts/docs.ts: change that, then run npx tsx scripts/docs.ts -->\n\n${body}`;

    assert.deepEqual(proseProblems('docs/a.md', body), ['docs/a.md: 202 lines, at most 200']);
    assert.deepEqual([proseProblems('docs/a.md', made), proseProblems('README.md', body)], [[], []]);
  });

  it('has patterns that find the words of the dictionary', () => {
    const sentences = [
      'somebody',
      'of ours',
      'speaks against it',
      'takes the place of',
      'is told',
      'upon yourself',
      'a further name',
      'given up',
    ];

    const found = sentences.map((text) => forbiddenWords.some(({ pattern }) => new RegExp(`\\b(?:${pattern})\\b`, 'i').test(text)));

    assert.deepEqual(
      found,
      sentences.map(() => true),
    );
  });
});
