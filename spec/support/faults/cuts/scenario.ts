import { join } from 'node:path';
import { generator } from '../../../lab/random.ts';
import { type Cut, durableAt, type FileSystem, type Recording, readWriteLog } from '../../../lab/vm/index.ts';
import { type Change, changes, recorded } from './record.ts';

/** Phases of a change; 'deploy' is the OS update, which is ostree's alone. */
export const phases = ['staging', 'seal', 'steps', 'restart', 'gate', 'commit', 'clean-up', 'deploy'] as const;
export type Phase = (typeof phases)[number];

// The last failpoint that was passed tells the phase; the first row that fits counts.
const passed: [RegExp, Phase][] = [
  [/^(commit\/after|(history|afterwards|undo)\/|program\/drop)/, 'clean-up'],
  [/^commit\/before/, 'commit'],
  [/^step\/restart\/after/, 'gate'],
  [/^step\/restart\//, 'restart'],
  [/^(journal|step)\//, 'steps'],
  [/^(store\/(seal|generation)|program)\//, 'seal'],
  [/^begin update/, 'deploy'],
];

/** A stretch of the log that belongs to one change: the first entry, and that behind the last. */
export interface Stretch {
  change: Change;
  from: number;
  to: number;
}

export interface Scenario {
  recording: Recording;
  stretches: Stretch[];
  phaseOf(at: number): Phase;
}

/** One place to cut, and where it lies. */
export interface Place {
  cut: Cut;
  change: Change;
  phase: Phase;
  /** writes since the last flush are dropped or torn */
  unflushed: boolean;
}

export async function scenarioOf(backend: string, fileSystem: FileSystem): Promise<Scenario> {
  const folder = await recorded(backend, fileSystem);
  const log = readWriteLog(join(folder, 'writes.log'));
  const marks = log.entries.flatMap(({ mark }, at) => (mark === undefined ? [] : [{ at, mark }]));
  const at = (mark: string) => marks.find((each) => each.mark === mark)?.at ?? -1;
  const stretches = changes.map((change) => ({ change, from: at(`begin ${change}`) + 1, to: at(`end ${change}`) }));
  const phaseOf = (place: number): Phase => {
    const last = marks.findLast((each) => each.at < place)?.mark ?? '';
    return passed.find(([pattern]) => pattern.test(last))?.[1] ?? 'staging';
  };
  return { recording: { base: join(folder, 'base.raw'), log }, stretches, phaseOf };
}

/**
 * Cuts by phase in turn, so that the short ones get as many as the long: every second of them, if there is anything to lose, in a window
 * that was not flushed, with all of it lost or a part of it by the seed.
 */
export function placesOf({ recording, stretches, phaseOf }: Scenario, count: number, seed: number): Place[] {
  const next = generator(seed);
  const all = stretches.flatMap(({ change, from, to }) =>
    Array.from({ length: to - from + 1 }, (_, index) => ({ change, at: from + index, phase: phaseOf(from + index) })),
  );
  // a phase of one change is a shelf of its own: short ones are met as often as long ones
  const shelves = new Map<string, typeof all>();
  for (const each of all) shelves.set(`${each.change} ${each.phase}`, [...(shelves.get(`${each.change} ${each.phase}`) ?? []), each]);
  const order = [...shelves.values()].map((shelf) => ({ shelf, key: next() })).sort((a, b) => a.key - b.key);
  return Array.from({ length: count }, (_, index) => {
    const shelf = order[index % order.length]?.shelf ?? [];
    const open = shelf.filter(({ at }) => at - durableAt(recording.log, at) > 1);
    const from = index % 2 === 0 && open.length > 0 ? open : shelf;
    const { at, change, phase } = from[next() % from.length]!;
    const lose: Cut['lose'] = from === open ? (next() % 4 === 0 ? 'all' : next()) : next() % 2 === 0 ? 'none' : 'all';
    return { cut: { at, lose }, change, phase, unflushed: lose !== 'none' && at - durableAt(recording.log, at) > 0 };
  });
}
