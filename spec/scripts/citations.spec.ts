import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  anchorOf,
  citedElsewhere,
  decisions,
  missingCitations,
  missingLinks,
  missingPaths,
  sources,
  tabledFolders,
} from '../support/judges/citations.ts';
import { repo } from '../support/program.ts';

const own = ['spec/scripts/citations.spec.ts', 'spec/support/judges/citations.ts'];
const parts = ['Context', 'Decision', 'Alternatives', 'Consequences'];

describe('citations', () => {
  const texts = sources().filter(({ path }) => !own.includes(path));
  const pages = texts.filter(({ path }) => path.startsWith('docs/adr/') || path.startsWith('docs/facts/'));

  it('name only texts of this repository or of other projects', () => {
    const wrong = texts.flatMap(citedElsewhere);

    assert.ok(texts.length > 500, `only ${texts.length} files were read`);
    assert.deepEqual(wrong, []);
  });

  it('in comments name pages, headings and decisions that are there', () => {
    const code = texts.filter(({ path }) => !/\.(?:md|json)$/.test(path));

    const wrong = code.flatMap(missingCitations);

    assert.deepEqual(wrong, []);
  });

  it('of sections of notes, of missing pages, headings and decisions are found', () => {
    const text = [
      '/** See facts/cri.md §1.3 and promise 4,',
      ' * docs/facts/containerd.md#imports, docs/facts/containerd.md#no-such,',
      ' * docs/none.md, ADR 0001 and ADR 9999. */',
      "const path = 'docs/none.md'; // ARCHITECTURE.md#nowhere",
    ].join('\n');

    const found = [...citedElsewhere({ path: 'a.ts', text }), ...missingCitations({ path: 'a.ts', text })];

    const names = [
      'facts/cri.md',
      '§',
      'promise 4',
      'docs/facts/containerd.md#no-such',
      'docs/none.md',
      'ADR 9999',
      'ARCHITECTURE.md#nowhere',
    ];
    assert.deepEqual(
      found,
      names.map((name) => `a.ts: ${name}`),
    );
  });

  it('as links lead from decisions and facts to files and headings that are there', () => {
    const wrong = pages.flatMap(missingLinks);

    assert.ok(pages.length > 20, `only ${pages.length} pages were read`);
    assert.deepEqual(wrong, []);
  });
});

describe('pages for contributors', () => {
  const names = ['ARCHITECTURE.md', 'CONTRIBUTING.md'];
  const pages = sources().filter(({ path }) => names.includes(path) || path.startsWith('docs/adr/'));

  it('name only files and folders that are there', () => {
    const wrong = pages.flatMap(missingPaths);

    assert.ok(pages.length > 40, `only ${pages.length} pages were read`);
    assert.deepEqual(wrong, []);
  });

  it('say of each folder of cli/ what it holds and may write', () => {
    const folders = readdirSync(join(repo, 'cli'), { withFileTypes: true }).filter((entry) => entry.isDirectory());

    const rows = tabledFolders();

    assert.deepEqual(rows, folders.map(({ name }) => name).sort());
  });
});

describe('decisions', () => {
  const texts = sources().filter(({ path }) => path.startsWith('docs/adr/'));
  const numbered = texts.filter(({ path }) => /\/\d{4}-/.test(path)).sort((a, b) => (a.path < b.path ? -1 : 1));

  it('are numbered without a gap, and each has a row in the list', () => {
    const list = texts.find(({ path }) => path === 'docs/adr/README.md')!.text;

    const numbers = numbered.map(({ path }) => Number(path.slice(9, 13)));

    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index + 1),
    );
    const rows = [...list.matchAll(/^\| \[(?<number>\d{4})\]\((?<file>[^)]+)\) \|/gm)].map(({ groups }) => groups!['file']!);
    assert.deepEqual(rows, decisions().sort());
  });

  it('have context, decision, alternatives and consequences in 15 to 45 lines', () => {
    const wrong = numbered.filter(({ path, text }) => {
      const heads = [...text.matchAll(/^## (?<head>.+)$/gm)].map(({ groups }) => groups!['head']!);
      const lines = text.trimEnd().split('\n').length;
      const title = text.split('\n')[0]!;
      return heads.join() !== parts.join() || lines < 15 || lines > 45 || !title.startsWith(`# ${path.slice(9, 13)}: `);
    });

    assert.deepEqual(
      wrong.map(({ path }) => path),
      [],
    );
  });

  it('have an anchor for each heading as GitHub makes it', () => {
    const anchors = ["QEMU's data folder", 'What `config dump` shows', 'On a host'].map(anchorOf);

    assert.deepEqual(anchors, ['qemus-data-folder', 'what-config-dump-shows', 'on-a-host']);
  });
});
