import { parseArgs } from 'node:util';
import { builtProgram, program } from '../spec/support/program.ts';
import { exitWhenRead } from './ending.ts';
import { installPackages, setupRefusal } from './setup.ts';
import { tiers } from './tiers.ts';
import { keepTurn, nextTurn, seedOf, turns } from './turn.ts';
import { runTiers } from './wholeRun.ts';

/**
 * Runs the tiers and closes with `N passed, N failed, N skipped`. --tier X runs one; --all runs the long loops whole; --setup installs Debian's
 * packages first. Several tiers run beside each other: live hosts mostly wait.
 */
const usage = `npm test -- [--tier ${tiers.map(({ name }) => name).join('|')}] [--all] [--setup]`;
const options = optionsOf(process.argv.slice(2));
if (options.all === true) process.env['KATA_SYSEXT_ALL'] = '1';
if (options.setup === true) {
  const refusal = setupRefusal();
  if (refusal !== undefined) end(refusal);
  installPackages();
}
const names = tiers.map(({ name }) => name).filter((name) => options.tier === undefined || name === options.tier);
if (names.length === 0) end(`there is no tier “${options.tier}”: ${usage}`);
const seed = Number(process.env['KATA_SYSEXT_SEED'] ?? seedOf(nextTurn()));
process.env['KATA_SYSEXT_SEED'] = String(seed);
console.log(`seed ${seed} (repeat with KATA_SYSEXT_SEED=${seed})`);
process.env[builtProgram] = program();
const { sum, leftOut } = await runTiers(names, seed);
if (options.tier === undefined) keepTurn(seed % turns);
if (sum.skipped > 0 && process.env['CI'] !== 'true') console.log(`\n${restOf(leftOut, sum.skipped)}`);
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
await exitWhenRead(sum.failed === 0 ? 0 : 1);

function optionsOf(argv: string[]) {
  try {
    return parseArgs({ args: argv, options: { tier: { type: 'string' }, all: { type: 'boolean' }, setup: { type: 'boolean' } } }).values;
  } catch (error) {
    return end(`${(error as Error).message}: ${usage}`);
  }
}

function end(why: string): never {
  console.error(why);
  process.exit(2);
}

/** The one command for what was left out. */
function restOf(tiersLeftOut: string[], skipped: number): string {
  const what = tiersLeftOut.length > 0 ? `the tiers ${tiersLeftOut.join(', ')} and ` : '';
  return `Left out: ${what}${skipped - tiersLeftOut.length} tests; each said what it lacks. As root on Debian, this installs it and runs everything:\n\n    npm test -- --setup`;
}
