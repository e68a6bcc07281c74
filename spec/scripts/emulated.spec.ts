import assert from 'node:assert/strict';
import { panicked, withSecondRun } from '../../scripts/emulated.ts';

const panic = 'qemu ended (0): [  786.9] Kernel panic - not syncing: Fatal exception in interrupt';
const first = { passed: 4, reasons: [panic, panic] };
const sum = { passed: 10, failed: 3, skipped: 1 };

describe('a panic of an emulated kernel', () => {
  it('is told by every failure of a file; with another one among them the file stays failed', () => {
    const seen = [[panic, panic], [panic, 'expected 1 to equal 2'], []].map((reasons) => panicked({ passed: 1, reasons }));

    assert.deepEqual(seen, [true, false, false]);
  });

  const rows: [what: string, said: string, wanted: typeof sum][] = [
    ['that passes', 'all\n6 passed, 0 failed, 0 skipped\n', { passed: 12, failed: 1, skipped: 1 }],
    ['that fails again', 'some\n5 passed, 1 failed, 0 skipped\n', { passed: 11, failed: 2, skipped: 1 }],
    ['that dies', 'nothing', { passed: 6, failed: 2, skipped: 1 }],
  ];
  for (const [what, said, wanted] of rows)
    it(`has a second run ${what} in the place of the first`, () => {
      const counted = withSecondRun(sum, 'spec/vm/round.spec.ts', first, () => said);

      assert.deepEqual(counted, wanted);
    });
});
