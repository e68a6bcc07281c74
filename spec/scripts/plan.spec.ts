import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';
import { groups, leftBy, tiers } from '../../scripts/tiers.ts';
import { turns } from '../../scripts/turn.ts';
import { planned, suitesOf, type WholeRound, wholeRounds } from '../support/plan.ts';
import { repo } from '../support/program.ts';
import { all } from '../support/sample.ts';

const backends: WholeRound['backend'][] = ['prefix', 'sysext', 'overlay'];
const every = Array.from({ length: turns }, (_, turn) => turn);

describe('the plan of rounds that are repeated for each backend', () => {
  before(function () {
    if (all) this.skip();
  });

  it('has each pair of a backend and a suite, and any five runs in a row play each of them', () => {
    const pairs = wholeRounds.map(({ backend, suite }) => `${backend} ${suite}`);

    assert.equal(new Set(pairs).size, 9);
    for (const first of every) {
      const played = [0, 1, 2, 3, 4].flatMap((more) => {
        const turn = (first + more) % turns;
        return backends.flatMap((backend) => suitesOf(backend, turn, true).map((suite) => `${backend} ${suite}`));
      });
      assert.deepEqual([...new Set(played)].sort(), [...pairs].sort(), `from turn ${first}`);
    }
  });

  it('plays two whole rounds in a run, of two backends', () => {
    for (const turn of every)
      assert.deepEqual(backends.map((backend) => suitesOf(backend, turn, true).length).sort(), [0, 1, 1], `turn ${turn}`);
  });

  it('plays a round of each backend where its spec file is run by itself', () => {
    for (const turn of every)
      assert.deepEqual(
        backends.map((backend) => suitesOf(backend, turn, false).length),
        [1, 1, 1],
        `turn ${turn}`,
      );
  });

  it('moves a file that has its turns on each time that it runs', () => {
    const { turns: byTurns } = tiers.find(({ name }) => name === 'vm')!;
    const file = 'spec/vm/deployments.spec.ts';
    const runs = every.filter((turn) => !leftBy(byTurns, turn).includes(file));

    const seen = runs.map((turn) => planned(pathToFileURL(`${repo}/${file}`).href, backends, 1, turn)[0]);

    assert.equal(runs.length, turns / groups);
    for (const index of seen.keys()) assert.equal(new Set([0, 1, 2].map((more) => seen[(index + more) % seen.length])).size, 3);
  });

  it('moves a file that has several turns in a cycle on at each of them', () => {
    const { turns: byTurns } = tiers.find(({ name }) => name === 'killed')!;
    const file = 'spec/killed/syscalls.spec.ts';
    const runs = every.filter((turn) => !leftBy(byTurns, turn).includes(file));

    const seen = runs.map((turn) => planned(pathToFileURL(`${repo}/${file}`).href, backends, 1, turn)[0]);

    assert.ok(runs.length > turns / groups);
    assert.deepEqual(
      seen,
      runs.map((_, index) => backends[index % backends.length]),
    );
  });
});
