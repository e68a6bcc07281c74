import assert from 'node:assert/strict';
import { bootable, compare, failAt, judged, pointsOf, type Scenario, scenarios } from '../support/crash.ts';
import { loopMs, sample } from '../support/sample.ts';

const names = ['install', 'upgrade', 'rollback', 'uninstall', 'purge', 'gc'];

/** Each case is a copy of a tree, a change that dies or fails on it, and a judgement by digests: old or new, nothing else. */
describe('crash', function () {
  this.timeout(loopMs);
  let all: Scenario[] = [];
  let remove: () => void = () => undefined;
  let cases = 0;

  before(async () => {
    ({ all, remove } = await scenarios(names));
  });

  after(() => {
    console.log(`      ${cases} cases`);
    remove();
  });

  for (const name of names) {
    it(`${name}: killed at any failpoint, then recover: the old or the new tree`, async () => {
      const scenario = named(all, name);
      const chosen = sample(scenario.points, 4, `kill ${name}`);

      const problems: string[] = [];
      for (const point of chosen) problems.push(...(await killedAt(scenario, failAt(point, 'kill'))));

      cases += chosen.length;
      assert.deepEqual(problems, []);
    });

    it(`${name}: an error at any failpoint is undone at once, or finished by the next command`, async () => {
      const scenario = named(all, name);
      const chosen = sample(scenario.points, 3, `error ${name}`);

      const problems: string[] = [];
      for (const point of chosen) problems.push(...(await failedAt(scenario, point)));

      cases += chosen.length;
      assert.deepEqual(problems, []);
    });

    it(`${name}: killed while it undoes itself, then recover: the old tree`, async () => {
      const scenario = named(all, name);
      const last = scenario.points.find((point) => point.startsWith('commit/before'))!;
      const points = (await pointsOf(scenario.base.copy(), scenario.args, { KATA_SYSEXT_FAILPOINT: failAt(last, 'error') }, 1)).slice(
        scenario.points.indexOf(last) + 1,
      );
      const chosen = sample(points, 2, `undo ${name}`);

      const problems: string[] = [];
      for (const point of chosen)
        problems.push(...(await killedAt(scenario, `${failAt(last, 'error')},${failAt(point, 'kill')}`, ['old'])));

      cases += chosen.length;
      assert.deepEqual(problems, []);
    });

    it(`${name}: recover itself is killed, and recovers`, async () => {
      const scenario = named(all, name);
      const chosen = sample(scenario.points, 2, `recover ${name}`);

      const problems: string[] = [];
      for (const point of chosen) {
        for (const second of sample(await recoverPoints(scenario, point), 2, `${name} ${point}`)) {
          cases += 1;
          problems.push(...(await killedTwice(scenario, point, second)));
        }
      }

      assert.deepEqual(problems, []);
    });
  }
});

function named(all: Scenario[], name: string): Scenario {
  const found = all.find((scenario) => scenario.name === name);
  assert.ok(found);
  return found;
}

async function killedAt(scenario: Scenario, failpoint: string, allowed: ('old' | 'new')[] = ['old', 'new']): Promise<string[]> {
  const host = scenario.base.copy();
  const { status } = await host.run(scenario.args, { env: { KATA_SYSEXT_FAILPOINT: failpoint } });
  const problems = status === 137 ? bootable(host) : [`it ended with ${status} instead of being killed`];
  await host.json(['recover']);
  problems.push(...compare(scenario, judged(host), allowed));
  host.remove();
  return problems.map((problem) => `${scenario.name}, ${failpoint}: ${problem}`);
}

async function failedAt(scenario: Scenario, point: string): Promise<string[]> {
  const host = scenario.base.copy();
  const { status, stdout } = await host.run([...scenario.args, '--json'], { env: { KATA_SYSEXT_FAILPOINT: failAt(point, 'error') } });
  const problems = bootable(host);
  const committed = status === 0;
  if (committed && !stdout.includes('"journal-open"')) problems.push('the receipt does not say that the clean-up is not finished');
  if (!committed && status !== 1) problems.push(`it ended with ${status}`);
  if (!committed) problems.push(...compare(scenario, judged(host), ['old']));
  await host.json(['recover']);
  problems.push(...compare(scenario, judged(host), [committed ? 'new' : 'old']));
  host.remove();
  return problems.map((problem) => `${scenario.name}, error at ${point}: ${problem}`);
}

async function recoverPoints(scenario: Scenario, point: string): Promise<string[]> {
  const host = scenario.base.copy();
  await host.run(scenario.args, { env: { KATA_SYSEXT_FAILPOINT: failAt(point, 'kill') } });
  const points = await pointsOf(host, ['recover']);
  host.remove();
  return points;
}

async function killedTwice(scenario: Scenario, point: string, second: string): Promise<string[]> {
  const host = scenario.base.copy();
  await host.run(scenario.args, { env: { KATA_SYSEXT_FAILPOINT: failAt(point, 'kill') } });
  const { status } = await host.run(['recover'], { env: { KATA_SYSEXT_FAILPOINT: failAt(second, 'kill') } });
  const problems = status === 137 ? bootable(host) : [`recover ended with ${status} instead of being killed`];
  await host.json(['recover']);
  problems.push(...compare(scenario, judged(host), ['old', 'new']));
  host.remove();
  return problems.map((problem) => `${scenario.name}, killed at ${point}, recover killed at ${second}: ${problem}`);
}
