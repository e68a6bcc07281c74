import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { labFolder } from '../lab/cache.ts';
import { type Cut, replay } from '../lab/vm/index.ts';
import { type Change, changes } from '../support/cuts/record.ts';
import { type Place, phases, placesOf, type Scenario, scenarioOf } from '../support/cuts/scenario.ts';
import { insideCut, type Judged } from '../support/cuts/view.ts';
import { seed } from '../support/sample.ts';

const count = Number(process.env['KATA_SYSEXT_CUTS'] ?? (process.env['KATA_SYSEXT_ALL'] === '1' ? 1000 : 10));

/** The states between the changes, as the judge saw them on the recorded disk itself. */
interface Known {
  before: Record<Change, string>;
  after: Record<Change, string>;
  payloads: string;
}

describe(`power cuts in a recorded host, replayed (seed ${seed})`, function () {
  this.timeout(1_800_000 + count * 15_000);
  let folder: string;
  let scenario: Scenario;
  let known: Known;

  before(async () => {
    folder = await mkdtemp(join(labFolder(), 'replaying-'));
    scenario = await scenarioOf('sysext');
    known = await states(scenario, join(folder, 'states'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it(`${count} cuts: the disk boots without our program, and what recovers it makes it exactly the old host or the new one`, async () => {
    const places = placesOf(scenario, count, seed);
    const byCut = new Map(places.map((place) => [place.cut, place]));
    const wrong: string[] = [];
    const results: Record<string, number> = {};

    await replay(scenario.recording, [...byCut.keys()], join(folder, 'cuts'), async ({ cut, image }) => {
      const place = byCut.get(cut)!;
      const found = await insideCut(image, (judged) => judge(judged, place, known)).catch((error: unknown) => [String(error)]);
      const result = found.length === 1 ? found[0]! : 'wrong';
      if (!['old', 'new'].includes(result)) wrong.push(`${JSON.stringify(place)}: ${found.join('; ')}`);
      results[result] = (results[result] ?? 0) + 1;
    });

    console.log(histogram(places), results);
    assert.deepEqual(wrong, []);
    if (count >= 1000) {
      assert.ok(places.filter(({ unflushed }) => unflushed).length >= 300);
      for (const phase of phases) assert.ok(places.filter((place) => place.phase === phase).length >= 20, phase);
    }
  });
});

/** 'old' or 'new', or in words what is wrong. */
async function judge(judged: Judged, { change }: Place, known: Known): Promise<string[]> {
  const before = await judged.bootable(known.payloads);
  await judged.recover();
  const after = await judged.bootable(known.payloads);
  const open = await judged.open();
  const state = await judged.state();
  const problems = [
    ...before.map((problem) => `before: ${problem}`),
    ...after.map((problem) => `after: ${problem}`),
    ...(open === '' ? [] : [`open: ${open}`]),
  ];
  if (problems.length > 0) return problems;
  if (state === known.before[change]) return ['old'];
  if (state === known.after[change]) return ['new'];
  return [`not old: ${unlike(known.before[change], state)}`, `not new: ${unlike(known.after[change], state)}`];
}

async function states({ recording, stretches }: Scenario, folder: string): Promise<Known> {
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

function unlike(wanted: string, found: string): string {
  const [a, b] = [wanted.split('\n'), found.split('\n')];
  const [gone, come] = [a.filter((line) => !b.includes(line)), b.filter((line) => !a.includes(line))];
  return [...gone.map((line) => `- ${line}`), ...come.map((line) => `+ ${line}`)].slice(0, 12).join(', ');
}

function histogram(places: readonly Place[]): string {
  const row = (name: string, some: readonly Place[]) =>
    `${name} ${some.length} (${some.filter(({ unflushed }) => unflushed).length} un-flushed)`;
  const rows = [
    ...phases.map((phase) => [phase, places.filter((place) => place.phase === phase)] as const),
    ...changes.map((change) => [change, places.filter((place) => place.change === change)] as const),
    ['all', places] as const,
  ];
  return rows.map(([name, some]) => row(name, some)).join(', ');
}
