import '../cli/harden.ts';
import '../spec/support/ownTemp.ts';
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import Mocha, { type Suite } from 'mocha';
import { exitWhenRead } from './ending.ts';
import { specFiles, tierOf } from './tiers.ts';

/**
 * Runs each `describe` of spec files by itself: of one tier, or of the files that are named. What passes only after another one fails here.
 * A process has one file, and evaluates it again for each describe. Ends with 1 where one failed.
 */
const usage = 'npm run spec:alone -- [--tier NAME] [FILE...]';

interface Ran {
  describes: number;
  tests: number;
  /** 'title: message' */
  failed: string[];
}

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  options: { tier: { type: 'string' }, inside: { type: 'boolean' } },
  allowPositionals: true,
});
if (values.inside === true) {
  console.log(`\n${JSON.stringify(await eachAlone(positionals[0]!))}`);
  await exitWhenRead(0);
}
const files = positionals.length > 0 ? positionals : specFiles().filter((file) => tierOf(file) === (values.tier ?? 'unit'));
if (files.length === 0) throw new Error(`no spec file: ${usage}`);
const waiting = [...files];
const sum: Ran = { describes: 0, tests: 0, failed: [] };
await Promise.all(Array.from({ length: Math.min(availableParallelism(), files.length) }, work));
console.log(`\n${files.length} files, ${sum.describes} describes alone, ${sum.tests} tests passed, ${sum.failed.length} failed`);
await exitWhenRead(sum.failed.length === 0 ? 0 : 1);

async function work(): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    const ran = await inProcess(file);
    sum.describes += ran.describes;
    sum.tests += ran.tests;
    sum.failed.push(...ran.failed);
    for (const each of ran.failed) console.log(`✖ ${file}: ${each}`);
  }
}

function inProcess(file: string): Promise<Ran> {
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, '--inside', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-1_000_000);
  });
  return new Promise((resolve) =>
    child.on('close', (status) => {
      const last = said.trimEnd().split('\n').at(-1) ?? '';
      resolve(
        status === 0 && last.startsWith('{') ? (JSON.parse(last) as Ran) : { describes: 0, tests: 0, failed: [`ended with ${status}`] },
      );
    }),
  );
}

async function eachAlone(file: string): Promise<Ran> {
  const ran: Ran = { describes: 0, tests: 0, failed: [] };
  const count = withTests((await loaded(file, 0)).suite).length;
  for (let index = 0; index < count; index++) {
    const mocha = await loaded(file, index + 1);
    keepOnly(withTests(mocha.suite)[index]!);
    await new Promise<void>((resolve) => {
      const runner = mocha.run(() => resolve());
      runner.on('pass', () => {
        ran.tests += 1;
      });
      runner.on('fail', (test, error: Error) => ran.failed.push(`${test.fullTitle()}: ${error.message}`));
    });
    ran.describes += 1;
  }
  return ran;
}

/** The file, evaluated once more: its modules stay, what it has beside its describes is new. */
async function loaded(file: string, turn: number): Promise<Mocha> {
  const mocha = new Mocha({ timeout: 300_000, reporter: Mocha.reporters.Base });
  mocha.suite.emit('pre-require', globalThis, file, mocha);
  await import(`${pathToFileURL(file).href}?turn=${turn}`);
  return mocha;
}

/** Every describe that has tests of its own, in the order of the file. */
function withTests(suite: Suite): Suite[] {
  return [...(suite.tests.length > 0 ? [suite] : []), ...suite.suites.flatMap(withTests)];
}

/** Of the tests of a file those of one describe; hooks of those around it stay. */
function keepOnly(suite: Suite): void {
  suite.suites = [];
  for (let [inner, outer] = [suite, suite.parent]; outer !== undefined; [inner, outer] = [outer, outer.parent]) {
    outer.tests = [];
    outer.suites = [inner];
  }
}
