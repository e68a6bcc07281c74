import '../cli/harden.ts';
import { existsSync, readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import Mocha from 'mocha';
import { all, seed } from '../spec/support/sample.ts';
import { type FileResult, panicked, withSecondRun } from './emulated.ts';
import { processorSeconds } from './processor.ts';
import { filesOf, leftBy, specFiles, type Tier, tierOf } from './tiers.ts';

export interface Sum {
  passed: number;
  failed: number;
  skipped: number;
}

const ci = process.env['CI'] === 'true';

/** By the gate and by `npm run coverage`: measuring takes a seventh more. */
const isMeasured = ci || process.env['KATA_SYSEXT_UNCOVERED'] !== undefined;

/** Of a hook before all tests of a suite: on a machine that has nothing built it may be the first to need the lab's programs and disks. */
const buildMs = 45 * 60_000;

/** Runs the specs of a tier in this process. With CI=true a skipped test is a failure unless .ci/allowed-skips names it. */
export async function runTier(tier: Tier): Promise<Sum> {
  const { name, turns, covers, emulated } = tier;
  let sum: Sum = { passed: 0, failed: 0, skipped: 0 };
  const results = new Map<string, FileResult>();
  const alone = process.env['KATA_SYSEXT_FILE'];
  const mocha = new Mocha({ timeout: 300_000, forbidOnly: true, slow: 5000 });
  if (!specFiles().some((file) => tierOf(file) === name)) throw new Error(`no spec belongs to the tier ${name}`);
  const left = all ? [] : leftBy(turns, seed);
  if (left.length > 0) console.log(`left to runs with another turn: ${left.join(', ')}`);
  const files = alone === undefined ? filesOf(tier, seed, all) : [alone];
  if (files.length === 0) return sum;
  for (const file of files) mocha.addFile(file);
  const coverage = covers === undefined || !isMeasured ? undefined : await startCoverage(covers);
  await mocha.loadFilesAsync();
  const seconds = new Map<string, Spent>();
  await new Promise<void>((resolve) => {
    const runner = mocha.run(() => resolve());
    let from = now();
    runner.on('suite', ({ parent }) => {
      if (parent?.root === true) from = now();
    });
    runner.on('suite end', ({ parent, file }) => {
      if (parent?.root !== true || file === undefined) return;
      const [{ time, processor }, before] = [now(), seconds.get(file) ?? { time: 0, processor: 0 }];
      seconds.set(file, { time: before.time + time - from.time, processor: before.processor + processor - from.processor });
    });
    runner.on('hook', (hook) => {
      if (hook.title.startsWith('"before all"')) hook.timeout(Math.max(hook.timeout(), buildMs));
    });
    runner.on('pass', (test) => {
      sum.passed += 1;
      resultOf(results, test.file).passed += 1;
    });
    runner.on('fail', (test, error: unknown) => {
      sum.failed += 1;
      resultOf(results, test.file).reasons.push(error instanceof Error ? error.message : String(error));
    });
    runner.on('pending', (test) => {
      const title = test.fullTitle();
      if (mayBeLeftOut(title)) sum.skipped += 1;
      else {
        sum.failed += 1;
        console.log(`! skipped in CI, and .ci/allowed-skips does not name it: ${title}`);
      }
    });
  });
  if (emulated && alone === undefined) for (const [file, result] of results) if (panicked(result)) sum = withSecondRun(sum, file, result);
  console.log(`\nseconds (of processors) of each spec: ${times(seconds)}`);
  if ((await coverage?.()) === 'too little') {
    // Where programs are missing their specs ran nothing: the figure says something of the machine then.
    if (sum.skipped === 0) sum.failed += 1;
    else console.log(`not judged, because ${sum.skipped} tests were left out`);
  }
  return sum;
}

function resultOf(results: Map<string, FileResult>, file: string | undefined): FileResult {
  const name = file === undefined ? '' : relative('.', file);
  const known = results.get(name) ?? { passed: 0, reasons: [] };
  results.set(name, known);
  return known;
}

/** Loaded only where it is asked for: most tiers measure nothing. */
async function startCoverage({ folder, minPercent }: NonNullable<Tier['covers']>): Promise<() => Promise<'enough' | 'too little'>> {
  const { coverageText, measureCoverage } = await import('./coverage.ts');
  const end = measureCoverage(resolve(folder));
  return async () => {
    const { text, isEnough } = coverageText(await end(), folder, minPercent);
    console.log(`\n${text}`);
    return isEnough ? 'enough' : 'too little';
  };
}

/** In seconds. A child's processor time counts when it has ended. */
interface Spent {
  time: number;
  processor: number;
}

function now(): Spent {
  return { time: Date.now() / 1000, processor: processorSeconds() };
}

/** The longest first, those below a second as one sum. */
function times(seconds: Map<string, Spent>): string {
  const sorted = [...seconds].sort(([, a], [, b]) => b.time - a.time);
  const long = sorted.filter(([, { time }]) => time >= 1);
  const rest = sorted.slice(long.length).reduce((sum, [, { time }]) => sum + time, 0);
  const shown = long.map(([file, spent]) => `${relative('spec', file)} ${spent.time.toFixed(0)} (${spent.processor.toFixed(0)})`);
  return [...shown, `${sorted.length - long.length} shorter ones ${rest.toFixed(0)}`].join(', ');
}

/** Outside of CI anything may; there only what is named, by the start of its title. */
export function mayBeLeftOut(title: string): boolean {
  return !ci || allowedSkips().some((start) => title.startsWith(start));
}

function allowedSkips(): string[] {
  if (!existsSync('.ci/allowed-skips')) return [];
  const lines = readFileSync('.ci/allowed-skips', 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(' # ')[0]!.trim());
}
