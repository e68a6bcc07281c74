import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { groups } from '../../scripts/tiers.ts';
import { keepTurn, nextTurn, seedOf, turns } from '../../scripts/turn.ts';
import { needs } from '../support/needs.ts';
import { textFiles } from '../support/textFiles.ts';

const byNumber = (one: number, other: number) => one - other;
const every = Array.from({ length: turns }, (_, turn) => turn);

describe('the turn of a whole run', () => {
  const texts = textFiles();

  it('is each in so many runs that came to their end, in a folder that is not there yet', () => {
    const folder = join(texts.folder, 'deeper/cache');

    const seen = Array.from({ length: turns }, () => {
      const turn = nextTurn(folder);
      keepTurn(turn, folder);
      return turn;
    });

    assert.deepEqual(seen.sort(byNumber), every);
  });

  it('is one of them whatever the file holds', () => {
    for (const text of ['', '144\n', '999\n', '-1\n', 'x'.repeat(1000), '3']) {
      writeFileSync(join(texts.folder, 'turn'), text);

      const turn = nextTurn(texts.folder);

      assert.ok(every.includes(turn), `${turn}`);
    }
  });

  it('is drawn by the commit where nothing is kept: each group by some commits, the same in a clone of the last commit alone', function () {
    needs(this, 'git');
    const [whole, shallow, nothing] = ['whole', 'shallow', 'nothing'].map((name) => join(texts.folder, name)) as [string, string, string];
    const git = (...words: string[]) => execFileSync('git', words, { encoding: 'utf8', env: committer });
    git('init', '--quiet', whole);
    const drawn: number[] = [];
    for (let count = 0; count < 120; count++) {
      git('-C', whole, 'commit', '--quiet', '--allow-empty', '--message', `change ${count}`);
      drawn.push(nextTurn(nothing, whole));
    }

    git('clone', '--quiet', '--depth=1', `file://${whole}`, shallow);
    const there = nextTurn(nothing, shallow);

    assert.equal(git('-C', shallow, 'rev-list', '--count', 'HEAD'), '1\n');
    assert.equal(there, drawn.at(-1));
    assert.deepEqual([...new Set(drawn.map((turn) => turn % groups))].sort(byNumber), [...Array(groups).keys()]);
    assert.ok(drawn.every((turn) => every.includes(turn)) && new Set(drawn).size > 20, `${drawn}`);
    assert.equal(nextTurn(nothing, nothing), 0);
  });

  it('is repeated with the seed', () => {
    for (const turn of every) {
      const seed = seedOf(turn);

      assert.equal(seed % turns, turn);
      assert.ok(Number.isSafeInteger(seed) && seed >= 0 && seed < 1e9);
    }
  });
});

/** Commits of one name and time: their digests, and what they draw, are always the same. */
const committer = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  ...Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((who) => [
      [`GIT_${who}_NAME`, 'Nobody'],
      [`GIT_${who}_EMAIL`, 'nobody@example.org'],
      [`GIT_${who}_DATE`, '2026-01-01T00:00:00Z'],
    ]),
  ),
};
