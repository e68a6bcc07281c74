import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Corpus, playedCorpus } from '../support/judges/shownCorpus.ts';
import { builtLines, liveLines, liveTexts } from '../support/judges/shownLive.ts';
import { isLine, masked } from '../support/judges/shownMask.ts';
import { outputLines, type ShownLine, userPages } from '../support/judges/shownPages.ts';
import { isKnownPath, knownPaths, shownPaths } from '../support/judges/shownPaths.ts';
import { repo } from '../support/program.ts';

describe('the documents show', function () {
  this.timeout(600_000);
  let corpus: Corpus;
  let printed: Map<string, Set<string>>;

  before(() => {
    corpus = playedCorpus();
    printed = byVerb(corpus);
  });

  /** Whether a run of that verb prints the line, or of any where the page shows none. */
  function isPrinted({ verb, text }: ShownLine): boolean {
    const lines = verb === undefined ? [...printed.values()].flatMap((each) => [...each]) : [...(printed.get(verb) ?? [])];
    return [...lines, ...printed.get('')!].some((line) => isLine(text, line));
  }

  it('as output only lines that a run of the command above them prints', () => {
    const shown = userPages().flatMap(outputLines);

    const wrong = shown.filter((line) => !isPrinted(line)).map(({ at, text }) => `${at}: ${text}`);
    assert.ok(shown.length > 120, `only ${shown.length} lines were found: the pattern is wrong`);
    assert.deepEqual(wrong, []);
  });

  it('of a running node only what its sources still say, each with a spec that runs such a node', () => {
    const texts = [...liveTexts, ...liveLines.map(({ source, parts }) => [source, ...parts] as const)];

    const stale = texts.flatMap(([source, ...parts]) => {
      const text = readFileSync(join(repo, source), 'utf8');
      return parts.filter((part) => !text.includes(part)).map((part) => `${source}: ${part}`);
    });
    assert.deepEqual(stale, []);
    assert.deepEqual(
      liveLines.filter(({ spec }) => !existsSync(join(repo, spec))),
      [],
    );
  });

  it('paths and units that are there after one of the runs, or that a table of the program has', () => {
    const known = knownPaths(corpus.paths, userPages());
    const shown = userPages().flatMap((page) => shownPaths(page).map((path) => ({ page: page.path, path })));

    const wrong = shown.filter(({ path }) => !isKnownPath(path, known)).map(({ page, path }) => `${page}: ${path}`);
    assert.ok(shown.length > 100, `only ${shown.length} paths were found: the pattern is wrong`);
    assert.deepEqual([...new Set(wrong)], []);
  });

  it('no line of a running node that no page shows any more', () => {
    const shown = userPages().flatMap(outputLines);

    const unused = liveLines.filter(({ line }) => !shown.some(({ text }) => isLine(text, masked(line))));
    assert.deepEqual(unused, []);
  });
});

/** Masked lines by verb; below '' what only a running node prints. */
function byVerb({ runs }: Corpus): Map<string, Set<string>> {
  const lines = new Map([['', new Set([...liveLines.map(({ line }) => line), ...builtLines()].map(masked))]]);
  for (const { words, lines: own } of runs) {
    const verb = words[0]!;
    lines.set(verb, new Set([...(lines.get(verb) ?? []), ...own.map(masked)]));
  }
  return lines;
}
