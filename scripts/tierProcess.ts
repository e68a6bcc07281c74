import { accessSync, constants } from 'node:fs';
import { exitWhenRead, whenRunEnds } from './ending.ts';
import { processorSeconds } from './processor.ts';
import { mayBeLeftOut, runTier, type Sum } from './tierRun.ts';
import { type Tier, tiers } from './tiers.ts';

/** One tier in this process, started by scripts/wholeRun.ts: prints what its specs say, and its sum as the last line. */
const tier = tiers.find(({ name }) => name === process.argv[2]);
if (tier === undefined) throw new Error(`there is no tier “${process.argv[2]}”`);
// exit() has the specs' machines and folders go; a signal by itself would not.
whenRunEnds(() => process.exit(1));
const missing = [...tier.programs.filter((path) => !isExecutable(path)), ...(tier.root && process.getuid?.() !== 0 ? ['root'] : [])];
console.log(`\n# tier ${tier.name}`);
const sum = missing.length > 0 ? leftOut(tier, missing) : await runTier(tier);
console.log(`processor: ${processorSeconds().toFixed(0)} s`);
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
await exitWhenRead(sum.failed === 0 ? 0 : 1);

function leftOut({ name }: Tier, lacking: string[]): Sum {
  console.log(`left out, it needs ${lacking.join(', ')}`);
  return mayBeLeftOut(`tier ${name}`) ? { passed: 0, failed: 0, skipped: 1 } : { passed: 0, failed: 1, skipped: 0 };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
