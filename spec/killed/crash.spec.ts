import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { bootable, compare, failAt, judged, killedAt, pointsOf, type Scenario, scenarios } from '../support/faults/crash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { planned } from '../support/plan.ts';
import { loopMs, sample } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** Three a run: all of them in six runs in a row. */
const names = planned(
  import.meta.url,
  [
    'install',
    'upgrade',
    'rollback',
    'add',
    'alias',
    'component',
    'fewer',
    'configure',
    'uninstall',
    'purge',
    'gc',
    'stage',
    'activate',
    'adopt',
    'adopt back',
    'several',
    'several gone',
  ],
  3,
);

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
      const chosen = sample(scenario.points, 2, `kill ${name}`);

      const problems: string[] = [];
      for (const point of chosen)
        problems.push(
          ...(await killedAt(scenario.base, scenario.args, failAt(point, 'kill'), [scenario.old, scenario.new], { killed: bootable })),
        );

      cases += chosen.length;
      assert.deepEqual(problems, []);
    });

    it(`${name}: an error at any failpoint is undone at once, or finished by the next command`, async () => {
      const scenario = named(all, name);
      const chosen = sample(scenario.points, 2, `error ${name}`);

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
      const chosen = sample(points, 1, `undo ${name}`);

      const problems: string[] = [];
      for (const point of chosen) {
        const failpoint = `${failAt(last, 'error')},${failAt(point, 'kill')}`;
        problems.push(...(await killedAt(scenario.base, scenario.args, failpoint, [scenario.old], { killed: bootable })));
      }

      cases += chosen.length;
      assert.deepEqual(problems, []);
    });

    it(`${name}: recover itself is killed, and recovers`, async () => {
      const scenario = named(all, name);
      const chosen = sample(scenario.points, 1, `recover ${name}`);

      const problems: string[] = [];
      for (const point of chosen) {
        for (const second of sample(await recoverPoints(scenario, point), 1, `${name} ${point}`)) {
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

/** A payload that was damaged and is being replaced: pods run from it, so there is no moment without one. */
describe('crash: mend', function () {
  this.timeout(loopMs);

  it('killed at any failpoint, then recover: the damaged payload or the whole one, never none; a repeated install mends it', async () => {
    const { first } = await releases();
    const base = treeHost('fcos');
    await base.json(['install', first]);
    const shim = execFileSync('find', ['.', '-name', 'containerd-shim-kata-v2', '-type', 'f'], { cwd: base.root, encoding: 'utf8' }).trim();
    const whole = judged(base);
    const good = readFileSync(base.path(shim));
    writeFileSync(base.path(shim), Buffer.from(good).fill('x'));
    const damaged = judged(base);
    const tried = base.copy();
    const points = await pointsOf(tried, ['install', first]);
    const done = judged(tried);
    const seal = points.filter((point) => point.startsWith('store/seal/'));
    const chosen = [
      ...seal,
      ...sample(
        points.filter((point) => !seal.includes(point)),
        4,
        'mend',
      ),
    ];

    const problems: string[] = [];
    for (const point of chosen) problems.push(...(await mendKilledAt(base, first, point, [damaged, whole, done])));

    assert.ok(points.includes('store/seal/aside@1') && points.includes('store/seal/placed@1'));
    assert.deepEqual(problems, []);
    tried.remove();
    base.remove();
  });
});

async function mendKilledAt(base: TreeHost, bundle: string, point: string, allowed: string[][]): Promise<string[]> {
  const host = base.copy();
  const { status } = await host.run(['install', bundle], { env: { KATA_SYSEXT_FAILPOINT: failAt(point, 'kill') } });
  const problems = status === 137 ? [] : [`it ended with ${status} instead of being killed`];
  await host.json(['recover']);
  problems.push(...bootable(host));
  const now = judged(host);
  const tried = allowed.map((lines) => differences(lines, now));
  if (!tried.some((lines) => lines.length === 0))
    problems.push(`none of the allowed trees: ${tried.map((lines) => lines.join('; ')).join(' | ')}`);
  await host.json(['install', bundle]);
  if (((await host.json(['verify']))['drift'] as unknown[]).length > 0) problems.push('a repeated install does not mend it');
  host.remove();
  return problems.map((problem) => `mend, killed at ${point}: ${problem}`);
}

describe('crash: what others do meanwhile', () => {
  let host: TreeHost;
  let first: string;
  const config = 'etc/containerd/config.toml';

  before(async () => {
    ({ first } = await releases());
  });

  afterEach(() => host.remove());

  it('lines appended below ours, in a file that ended without a newline, stay lines of their own when ours go', async () => {
    host = treeHost('rhcos');
    const original = readFileSync(host.path(config), 'utf8');
    const debug = '[debug]\n  level = "debug"\n';
    await host.run(['install', first], { env: { KATA_SYSEXT_FAILPOINT: 'step/file/after=kill' } });
    appendFileSync(host.path(config), debug);

    await host.json(['recover']);

    const now = readFileSync(host.path(config), 'utf8');
    assert.ok(!original.endsWith('\n'));
    assert.equal(now, `${original}\n${debug}`);
    assert.deepEqual(toml.parse(now), { ...toml.parse(original), debug: { level: 'debug' } });
  });

  it('an undone change leaves the time of conf.d as it was: the next one sees no edit of somebody else', async () => {
    host = treeHost('microos');
    const folder = host.path('etc/containerd/conf.d');
    put(host.root, 'etc/containerd/conf.d/10-mine.toml', 'version = 3\n');
    utimesSync(folder, 1_700_000_000, 1_700_000_000);
    await host.run(['install', first], { env: { KATA_SYSEXT_FAILPOINT: 'commit/before=kill' } });
    const during = readdirSync(folder);

    await host.json(['recover']);

    assert.equal(during.length, 2);
    assert.deepEqual(readdirSync(folder), ['10-mine.toml']);
    assert.equal(statSync(folder).mtimeMs, 1_700_000_000_000);
  });

  it('a journal that lost its intent or a step in the middle is neither dropped nor guessed from: 5', async () => {
    for (const lost of ['intent.json', 'step-0.json']) {
      host = treeHost('fcos');
      await host.run(['install', first], { env: { KATA_SYSEXT_FAILPOINT: 'commit/before=kill' } });
      const entry = host.path('var/lib/kata-sysext/journal/1');
      const kept = readFileSync(join(entry, lost));
      rmSync(join(entry, lost));
      const names = readdirSync(entry);

      const refused = await host.json(['recover'], 5);
      const again = await host.json(['install', first], 5);
      const left = readdirSync(entry);
      writeFileSync(join(entry, lost), kept);
      const recovered = await host.json(['recover']);

      assert.deepEqual([refused['code'], again['code'], left], ['not-restored', 'not-restored', names], lost);
      assert.match(String(refused['found']), new RegExp(`journal/1/${lost}`));
      assert.doesNotMatch(String(refused['next']), /\bmv\b/);
      assert.deepEqual(recovered['recovered'], [{ id: 1, verb: 'install', result: 'undone' }]);
      host.remove();
    }
  });
});
