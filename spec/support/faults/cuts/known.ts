import assert from 'node:assert/strict';
import { type Cut, replay } from '../../../lab/vm/index.ts';
import { type Change, changes } from './record.ts';
import type { Scenario } from './scenario.ts';
import { insideCut } from './view.ts';

/** The states between the changes, as the judge saw them on the recorded disk itself. */
export interface Known {
  before: Record<Change, string>;
  after: Record<Change, string>;
  /** what `active` says of the generations that may be active, a line each */
  payloads: string;
}

/** `folder`: made for the disks, and gone afterwards. */
export async function knownStates({ recording, stretches }: Scenario, folder: string): Promise<Known> {
  const ends = stretches.flatMap(({ change, from, to }) => [
    { change, side: 'before' as const, cut: { at: from, lose: 'none' } as Cut },
    { change, side: 'after' as const, cut: { at: to, lose: 'none' } as Cut },
  ]);
  const known = { before: {}, after: {} } as Omit<Known, 'payloads'>;
  const payloads = new Set<string>();
  await replay(
    recording,
    ends.map(({ cut }) => cut),
    folder,
    async ({ cut, image }) => {
      const end = ends.find((each) => each.cut === cut)!;
      await insideCut(image, async (judged) => {
        assert.deepEqual(await judged.bootable(''), [], `${end.side} ${end.change}`);
        payloads.add(await judged.active());
        known[end.side][end.change] = await judged.state();
      });
    },
  );
  for (const change of changes) assert.notEqual(known.before[change], known.after[change], change);
  return { ...known, payloads: [...payloads].join('\n') };
}

/** 'old' or 'new' where the state is exactly that before or after the change, else what differs from both. */
export function sideOf(state: string, change: Change, known: Known): string[] {
  if (state === known.before[change]) return ['old'];
  if (state === known.after[change]) return ['new'];
  return [`not old: ${unlike(known.before[change], state)}`, `not new: ${unlike(known.after[change], state)}`];
}

function unlike(wanted: string, found: string): string {
  const [a, b] = [wanted.split('\n'), found.split('\n')];
  const [gone, come] = [a.filter((line) => !b.includes(line)), b.filter((line) => !a.includes(line))];
  return [...gone.map((line) => `- ${line}`), ...come.map((line) => `+ ${line}`)].slice(0, 12).join(', ');
}
