import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keepTurn, nextTurn, seedOf, turns } from '../../scripts/turn.ts';
import { textFiles } from '../support/textFiles.ts';

describe('the turn of a whole run', () => {
  const texts = textFiles();

  it('is each of the four in four runs that came to their end, in a folder that is not there yet', () => {
    const folder = join(texts.folder, 'deeper/cache');

    const seen = Array.from({ length: 4 }, () => {
      const turn = nextTurn(folder);
      keepTurn(turn, folder);
      return turn;
    });

    assert.deepEqual([...seen].sort(), [0, 1, 2, 3]);
  });

  it('is a number from 0 to 3 whatever the file holds', () => {
    for (const text of ['', '4\n', '-1\n', 'x'.repeat(1000), '3']) {
      writeFileSync(join(texts.folder, 'turn'), text);

      const turn = nextTurn(texts.folder);

      assert.ok([0, 1, 2, 3].includes(turn), `${turn}`);
    }
  });

  it('is repeated with the seed', () => {
    for (const turn of [0, 1, 2, 3]) {
      const seed = seedOf(turn);

      assert.equal(seed % turns, turn);
      assert.ok(Number.isSafeInteger(seed) && seed >= 0 && seed < 1e9);
    }
  });
});
