import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { share } from '../spec/support/share.ts';
import { runsEnd } from './ending.ts';
import { failuresOf } from './failures.ts';
import { addedToTemp, hasOtherRun, leftIn, namesInTemp, removeFolder, runFolder, tierFolder } from './tempFolders.ts';
import type { Sum } from './tierRun.ts';
import { filesOf, nextTier, tiers } from './tiers.ts';

/** Set for the process of a tier: runs of tests never start each other without end. */
const marker = 'KATA_SYSEXT_TIER';
const loader = import.meta.resolve('tsx');
/** Where all processors have work, threads that collect garbage wait for each other. */
const nodeOptions = ['--single-threaded-gc', '--max-semi-space-size=32'];
const tierProcess = fileURLToPath(new URL('./tierProcess.ts', import.meta.url));
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const ending = /\n(\d+) passed, (\d+) failed, (\d+) skipped\n$/;

interface Run {
  folder: string;
  /** The program of one tier: it gets the tier's name. */
  program: string;
  children: Set<ChildProcess>;
  /** A single tier is shown while it runs. */
  isShown: boolean;
}

/**
 * Runs tiers, some beside each other, a process each with a temporary folder of its own. What a tier says is shown whole when it ends, and
 * can be followed in a file; what failed is said again at the end. Files that are left in a temporary folder are failures.
 */
export async function runTiers(
  names: string[],
  seed: number,
  program = tierProcess,
  goneTimeoutMs?: number,
  preparing = preparingOf(names, seed),
): Promise<{ sum: Sum; leftOut: string[] }> {
  if (process.env[marker] !== undefined) throw new Error('a tier cannot run the tiers');
  const sum: Sum = { passed: 0, failed: 0, skipped: 0 };
  const [failures, leftOut]: [string[], string[]] = [[], []];
  const before = namesInTemp();
  const run: Run = { folder: runFolder(), program, children: new Set(), isShown: names.length === 1 };
  const ended = endOnSignals(run);
  if (!run.isShown) console.log(`to follow a tier: tail -f ${run.folder}/*.log`);
  const fail = (heading: string, text: string, count: number) => {
    if (count > 0) failures.push(`# failed ${heading}\n\n${text}`);
    sum.failed += count;
  };
  const one = async (name: string) => {
    const { said, left } = await tierApart(name, run);
    const [, passed, failed, skipped] = ending.exec(said) ?? [];
    // A tier that ends without its sum has died.
    fail(`in tier ${name}`, failuresOf(said, failed === undefined), Number(failed ?? 1));
    fail(`in tier ${name}`, `its specs left in their temporary folder: ${left.join(', ')}`, left.length === 0 ? 0 : 1);
    sum.passed += Number(passed ?? 0);
    sum.skipped += Number(skipped ?? 0);
    if (/^left out, it needs /m.test(said)) leftOut.push(name);
  };
  const isShared = [hasOtherRun(run.folder)];
  const prepared = Promise.all(preparing.map((each) => prepare(each, run)));
  await Promise.all([besideEachOther(names, one, ended), prepared]);
  isShared.push(hasOtherRun(run.folder));
  removeFolder(run.folder);
  const added = ended() ? [] : await addedToTemp(before, undefined, goneTimeoutMs);
  const text = `the specs left ${added.join(', ')}`;
  if (isShared.includes(true) && added.length > 0) console.log(`\n${text}, or another run of tests did: not counted`);
  else fail('in the temporary folder of the machine', text, added.length === 0 ? 0 : 1);
  if (failures.length > 0) console.log(`\n${failures.join('\n\n')}\n\nrepeat with KATA_SYSEXT_SEED=${seed}`);
  if (ended()) throw new Error('the tests were ended by a signal');
  return { sum, leftOut };
}

/** Begins each tier as soon as it may run beside those that do, none after the end of the run. */
async function besideEachOther(names: string[], one: (name: string) => Promise<void>, ended: () => boolean): Promise<void> {
  const waiting = new Set(names);
  const running = new Map<string, Promise<void>>();
  for (;;) {
    const name = ended() ? undefined : nextTier([...waiting], [...running.keys()]);
    if (name !== undefined) {
      waiting.delete(name);
      running.set(
        name,
        one(name).finally(() => running.delete(name)),
      );
    } else if (running.size > 0) await Promise.race(running.values());
    else return;
  }
}

function endOnSignals({ children }: Run): () => boolean {
  let isEnded = false;
  for (const signal of endings)
    process.on(signal, () => {
      isEnded = true;
      for (const child of children) endWhole(child, signal);
    });
  return () => isEnded;
}

/** With what its specs have started. */
function endWhole({ pid }: ChildProcess, signal: (typeof endings)[number]): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // it has ended
  }
}

function preparingOf(names: string[], seed: number): string[] {
  const all = process.env['KATA_SYSEXT_ALL'] === '1';
  const run = tiers.filter((tier) => names.includes(tier.name) && filesOf(tier, seed, all).length > 0);
  return run.flatMap(({ prepare: program }) => program ?? []);
}

/**
 * A process that leads a session, so that the kernel gives each tier its share (sched(7)). No signal for our group or terminal reaches it: it
 * ends with us, because it sees its end of a pipe close (`whenRunEnds`).
 */
function startApart(program: string, words: string[], more: NodeJS.ProcessEnv, { children }: Run): ChildProcess {
  const child = spawn(process.execPath, [...nodeOptions, '--import', loader, program, ...words], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...more, [runsEnd]: '3' },
  });
  children.add(child);
  child.on('close', () => children.delete(child));
  return child;
}

/** Runs what makes the needs of a later tier; that tier says what is missing. */
async function prepare(file: string, run: Run): Promise<void> {
  const temporary = tierFolder(run.folder, 'prepare');
  const child = startApart(file, [], { TMPDIR: temporary }, run);
  child.stdout!.resume();
  child.stderr!.resume();
  await new Promise((resolve) => child.on('close', resolve));
  removeFolder(temporary);
}

async function tierApart(name: string, run: Run): Promise<{ said: string; left: string[] }> {
  const started = Date.now();
  const temporary = tierFolder(run.folder, name);
  const child = startApart(run.program, [name], { TMPDIR: temporary, [marker]: name }, run);
  const nice = tiers.find((tier) => tier.name === name)?.nice;
  if (nice !== undefined) share(child.pid, nice);
  let said = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      appendFileSync(join(run.folder, `${name}.log`), chunk);
      if (run.isShown) process.stdout.write(chunk);
    });
  await new Promise((resolve) => child.on('close', resolve));
  const took = `${name}: ${Math.round((Date.now() - started) / 1000)} s`;
  process.stdout.write(run.isShown ? `${took}\n` : said.replace(/\n(\d+ passed, .*\n)$/, `\n${took}\n$1`));
  const left = leftIn(temporary);
  removeFolder(temporary);
  return { said, left };
}
