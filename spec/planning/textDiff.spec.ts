import assert from 'node:assert/strict';
import fc from 'fast-check';
import { lineDiff } from '../../cli/planning/textDiff.ts';

describe('the diff of a configuration', () => {
  it('shows what goes and what comes, with line and table of the new text', () => {
    const before = ['a', 'b = 1', '[c]', 'd', 'e'].join('\n');
    const after = ['a', 'b = 2', '[c]', '# x', 'x = 1', 'd', 'e'].join('\n');

    assert.deepEqual(lineDiff(before, after), ['@@ line 2 @@', '-b = 1', '+b = 2', '@@ line 4 [c] @@', '+# x', '+x = 1']);
    assert.deepEqual(lineDiff(before, before), []);
    assert.deepEqual(lineDiff('a\r\nb\r\n', 'a\r\nc\r\n'), ['@@ line 2 @@', '-b', '+c']);
  });

  it('takes as many lines away and adds as many as the texts differ by, and they are lines of those texts', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 12 });

    fc.assert(
      fc.property(text, text, (a, b) => {
        const lines = lineDiff(a.join('\n'), b.join('\n'));

        const [gone, come] = ['-', '+'].map((sign) => lines.filter((line) => line.startsWith(sign)).map((line) => line.slice(1)));
        assert.deepEqual(bag([...a.join('\n').split('\n'), ...come!]), bag([...b.join('\n').split('\n'), ...gone!]));
        assert.equal(gone!.length + come!.length, fewest(a.join('\n').split('\n'), b.join('\n').split('\n')));
      }),
    );
  });

  it('gives up on texts that have little in common', () => {
    const [a, b] = ['a', 'b'].map((letter) => Array.from({ length: 1000 }, (_, index) => `${letter}${index}`).join('\n'));

    assert.match(lineDiff(a!, b!).join(), /more than 400 lines differ/);
  });
});

function bag(lines: string[]): string[] {
  return lines.toSorted((a, b) => (a < b ? -1 : 1));
}

/** The fewest lines that go and come, by the textbook's table of longest common subsequences. */
function fewest(a: string[], b: string[]): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (const [x, one] of a.entries())
    for (const [y, other] of b.entries())
      table[x + 1]![y + 1] = one === other ? table[x]![y]! + 1 : Math.max(table[x]![y + 1]!, table[x + 1]![y]!);
  return a.length + b.length - 2 * table[a.length]![b.length]!;
}
