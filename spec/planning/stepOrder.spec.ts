import assert from 'node:assert/strict';
import { ordered } from '../../cli/planning/switch.ts';
import type { Step } from '../../cli/transaction/index.ts';

const file = (path: string, after: 'absent' | `sha256:${string}` = 'absent'): Step[] => [
  { kind: 'file', path, before: 'absent', after, foreign: false, ours: [], temporary: `${path}.tmp` },
];
const parts = {
  unbless: file('/unbless'),
  guard: file('/guard'),
  core: file('/core'),
  load: [{ kind: 'modules' as const, names: ['tun'], deadlineMs: 1 }],
  keep: file('/keep'),
  last: file('/last'),
};

describe('the order of the steps of a change', () => {
  for (const [coming, wanted] of [
    [true, ['/unbless', '/guard', 'modules', '/core', '/keep', '/last']],
    [false, ['/unbless', '/core', '/last', '/keep', '/guard']],
  ] as const) {
    it(`${coming ? 'begins' : 'ends'} with the guard, so that the next boot settles what is interrupted`, () => {
      const steps = ordered({ coming, ...parts });

      assert.deepEqual(
        steps.map((step) => ('path' in step ? step.path : step.kind)),
        wanted,
      );
    });
  }
});
