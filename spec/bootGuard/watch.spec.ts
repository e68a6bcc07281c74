import assert from 'node:assert/strict';
import { type Health, standing } from '../../cli/bootGuard/healthCheck/health.ts';
import { type Clock, comesUp, watch } from '../../cli/bootGuard/healthCheck/watch.ts';
import type { UnitState } from '../../cli/systemd/types.ts';

const well: Health = { serves: true, down: false, untried: false, failed: false, run: 'a 1' };
const down: Health = { serves: false, down: true, untried: false, failed: false, run: 'a 1', ill: 'the CRI does not answer' };
const idle: Health = { serves: false, down: false, untried: true, failed: false, run: ' 0', ill: 'the CRI does not answer' };

/** A clock that moves only while somebody waits, and an engine that is what the row of the last passed second says. */
function engine(rows: [second: number, health: Health][]): { look: () => Promise<Health>; clock: Clock; seconds: () => number } {
  let ms = 0;
  return {
    look: async () => rows.findLast(([second]) => second * 1000 <= ms)![1],
    clock: {
      now: () => ms,
      pause: async (length) => {
        ms += length;
      },
    },
    seconds: () => ms / 1000,
  };
}

const never = new AbortController().signal;

describe('an engine beside what PID 1 says of its unit', () => {
  const unit = (activeState: string, restarts: number) => ({ activeState, restarts, activeEnterMs: 0 }) as UnitState;
  const rows: [what: string, unit: UnitState, serves: boolean, said: string][] = [
    ['started anew five times, and serves now', unit('active', 5), true, ''],
    ['started anew five times, and does not serve', unit('activating', 5), false, 'down failed'],
    ['started anew four times so far', unit('activating', 4), false, 'down'],
    ['given up by systemd', unit('failed', 0), false, 'down failed'],
    ['active, and does not serve', unit('active', 0), false, 'down'],
    ['that hangs while it starts', unit('activating', 0), false, ''],
    ['that nobody has started', unit('inactive', 0), false, 'untried'],
  ];
  for (const [what, state, serves, wanted] of rows)
    it(`one ${what}: ${wanted || 'none of them'}`, () => {
      const seen = standing(state, serves);

      assert.equal((['down', 'untried', 'failed'] as const).filter((each) => seen[each]).join(' '), wanted);
      assert.equal(seen.serves, serves);
    });
});

describe('what the third phase makes of an engine that it watches', () => {
  const rows: [what: string, rows: [number, Health][], seen: Awaited<ReturnType<typeof watch>>, seconds: [number, number]][] = [
    ['serves for 10 s', [[0, well]], { down: false, run: 'a 1' }, [10, 11]],
    [
      'is started anew meanwhile: the 10 s begin again',
      [
        [0, well],
        [8, { ...well, run: 'b 2' }],
      ],
      { down: false, run: 'b 2' },
      [18, 19],
    ],
    [
      'fails for a while before it serves',
      [
        [0, down],
        [25, well],
      ],
      { down: false, run: 'a 1' },
      [35, 36],
    ],
    [
      'is given up by systemd',
      [
        [0, down],
        [25, { ...down, failed: true }],
      ],
      { ill: 'the CRI does not answer', down: true, untried: false },
      [25, 26],
    ],
    ['is never started', [[0, idle]], { ill: 'the CRI does not answer', down: false, untried: true }, [300, 302]],
    [
      'serves, and lists no handler of ours',
      [[0, { ...well, ill: 'the CRI does not list kata-qemu' }]],
      { ill: 'the CRI does not list kata-qemu', down: false, untried: false },
      [300, 302],
    ],
  ];
  for (const [what, states, wanted, [least, most]] of rows)
    it(`one that ${what}`, async () => {
      const { look, clock, seconds } = engine(states);

      const seen = await watch(look, never, clock);

      assert.deepEqual(seen, wanted);
      assert.ok(seconds() >= least && seconds() <= most, `${seconds()} s`);
    });

  it('nothing, where it is ended itself: the engine may be ended with it', async () => {
    const { look, clock } = engine([[0, down]]);

    assert.deepEqual(await watch(look, AbortSignal.abort(), clock), { ill: 'interrupted', down: false });
  });

  it('one that comes up within a minute comes up; one that systemd gave up on, or that takes longer, does not', async () => {
    const later = (second: number) =>
      engine([
        [0, down],
        [second, well],
      ]);
    const [soon, late, failed] = [
      later(50),
      later(90),
      engine([
        [0, down],
        [5, { ...down, failed: true }],
        [6, well],
      ]),
    ];

    assert.deepEqual(
      [await comesUp(soon.look, soon.clock), await comesUp(late.look, late.clock), await comesUp(failed.look, failed.clock)],
      [true, false, false],
    );
  });
});
