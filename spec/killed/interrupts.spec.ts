import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { generator } from '../lab/random.ts';
import { compare, failAt, judged, type Scenario, scenarios } from '../support/faults/crash.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { program } from '../support/program.ts';
import { loopMs, sample, seed } from '../support/sample.ts';
import { releases, scratch, type TreeHost } from '../support/trees/treeHost.ts';

const names = [
  'install',
  'upgrade',
  'configure',
  'rollback',
  'add',
  'alias',
  'fewer',
  'uninstall',
  'purge',
  'gc',
  'adopt',
  'adopt back',
  'stage',
  'activate',
  'pin',
  'unpin',
  'image',
  'recover before the commit',
  'recover after the commit',
];
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
const count = 200;

/** One interrupt: at a failpoint of the change, or after a time that the seed draws. */
interface Case {
  index: number;
  scenario: Scenario;
  dryRun: boolean;
  signal: (typeof signals)[number];
  /** 'name@N'; undefined: by time. */
  point: string | undefined;
  afterMs: number;
}

/** Whatever the moment is: the old tree and 128 + signal, or the new one and 0; judged by find, sha256sum and getfattr. */
describe('interrupts', function () {
  this.timeout(loopMs);
  let all: Scenario[] = [];
  let remove: () => void = () => undefined;

  before(async () => {
    ({ all, remove } = await scenarios(names));
  });
  after(() => remove());

  it('every changing verb ends as it began or as it was meant to, and leaves nothing to recover', async () => {
    const chosen = sample(drawn(all), 20, 'interrupts');

    const problems: string[] = [];
    const ended = { before: 0, after: 0 };
    for (const each of chosen) {
      const { status, found } = await interruptedAt(each);
      ended[status === 0 ? 'after' : 'before'] += 1;
      problems.push(...found);
    }

    console.log(`      ${chosen.length} interrupts: ${ended.before} put back, ${ended.after} came too late`);
    assert.deepEqual(problems, []);
  });
});

/** What reads, or makes a file, ends at once and takes its own folders with it. */
describe('interrupts of verbs that change no host', function () {
  this.timeout(loopMs);
  let folder: string;

  beforeEach(() => {
    folder = scratch('interrupted');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const rows: [verb: string, point: string, args: (bundle: string) => string[]][] = [
    ['try', 'store/unpack/after', () => ['try']],
    ['try', 'step/file/after', () => ['try']],
    ['build', 'store/unpack/before', (bundle) => ['build', bundle, '-o', join(folder, 'kata.raw')]],
    ['build', 'store/image/made', (bundle) => ['build', bundle, '-o', join(folder, 'kata.raw')]],
  ];
  for (const [index, [verb, point, args]] of rows.entries()) {
    const signal = signals[index]!;
    it(`${verb}, ${signal} at ${point}: 128 + signal, and nothing is left`, async function () {
      if (verb === 'build' && !existsSync('/usr/bin/mksquashfs')) {
        console.log('      there is no mksquashfs');
        return this.skip();
      }
      const { first } = await releases();
      const env = { ...process.env, TMPDIR: folder, KATA_SYSEXT_FAILPOINT: `${point}=pause` };
      const child = spawn(process.execPath, [program(), ...args(first), '--json'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
      const ended = new Promise((resolve) => child.on('close', (code) => resolve(code)));
      const state = () => readFileSync(`/proc/${child.pid}/stat`, 'utf8');
      while (child.exitCode === null && !/\) T /.test(state())) await new Promise((resolve) => setTimeout(resolve, 20));

      child.kill(signal);
      child.kill('SIGCONT');

      assert.equal(await ended, 128 + constants.signals[signal]);
      assert.equal((JSON.parse(said) as { code: string }).code, 'interrupted');
      assert.deepEqual(readdirSync(folder), []);
    });
  }
});

function drawn(all: Scenario[]): Case[] {
  const next = generator(seed);
  return Array.from({ length: count }, (_, index) => {
    const scenario = all[index % all.length]!;
    const dryRun = !isRecover(scenario) && next() % 5 === 0;
    const byPoint = !dryRun && next() % 3 > 0;
    return {
      index,
      scenario,
      dryRun,
      signal: signals[next() % signals.length]!,
      point: byPoint ? scenario.points[next() % scenario.points.length] : undefined,
      afterMs: 50 + (next() % 1500),
    };
  });
}

async function interruptedAt(each: Case): Promise<{ status: number; found: string[] }> {
  const { index, scenario, dryRun, signal, point, afterMs } = each;
  const host = scenario.base.copy();
  const before = judged(host);
  const args = [...scenario.args, ...(dryRun ? ['--dry-run'] : [])];
  const status = point === undefined ? await afterTime(host, args, signal, afterMs) : await atPoint(host, args, signal, point);
  const now = judged(host);
  const found: string[] = [];
  if (status === 0) found.push(...(dryRun ? differences(before, now) : compare(scenario, now, ['new'])));
  else if (status === 128 + constants.signals[signal]) found.push(...differences(before, now));
  else found.push(`it ended with ${status}`);
  if (now.some((line) => line.includes('/staging'))) found.push('staging is not empty');
  const wanted = point === undefined || isRecover(scenario) ? undefined : expected(scenario, point);
  if (wanted !== undefined && (status === 0) !== wanted) found.push(`it ended with ${status}`);
  if (!isRecover(scenario)) {
    const { recovered } = await host.json(['recover']);
    if ((recovered as unknown[]).length > 0) found.push('something had to be recovered');
    if (differences(now, judged(host)).length > 0) found.push('recover changed something');
  }
  host.remove();
  const how = point === undefined ? `after ${afterMs} ms` : `at ${point}`;
  return { status, found: found.map((line) => `${index}: ${args.join(' ')}, ${signal} ${how}: ${line}`) };
}

/** Whether a change that is interrupted here is made: after its commit; at the commit itself either is right. */
function expected({ points }: Scenario, point: string): boolean | undefined {
  const [at, commit] = [points.indexOf(point), points.findIndex((each) => each.startsWith('commit/before@'))];
  return commit === -1 || at === commit || at === commit - 1 ? undefined : at > commit;
}

function isRecover({ name }: Scenario): boolean {
  return name.startsWith('recover');
}

async function atPoint(host: TreeHost, args: string[], signal: NodeJS.Signals, point: string): Promise<number> {
  const paused = await host.paused(args, failAt(point, 'pause'));
  process.kill(paused.pid, signal);
  paused.go();
  return paused.ended;
}

function afterTime(host: TreeHost, args: string[], signal: NodeJS.Signals, ms: number): Promise<number> {
  const child = spawn(process.execPath, [program(), ...args, ...host.flags], { stdio: 'ignore' });
  const timer = setTimeout(() => child.kill(signal), ms);
  return new Promise((resolve) =>
    child.on('close', (code, by) => {
      clearTimeout(timer);
      resolve(code ?? 128 + constants.signals[by ?? 'SIGKILL']);
    }),
  );
}
