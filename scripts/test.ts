import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import Mocha from 'mocha';
import { seed } from '../spec/support/sample.ts';
import { tiers } from './tiers.ts';

/** Runs the tiers and closes with `N passed, N failed, N skipped`. --tier X runs one; --all runs the long loops whole. */
const argv = process.argv.slice(2);
if (argv.includes('--all')) process.env['KATA_SYSEXT_ALL'] = '1';
const wish = argv[argv.indexOf('--tier') + 1];
const chosen = argv.includes('--tier') ? tiers.filter((tier) => tier.name === wish) : tiers;
if (chosen.length === 0) throw new Error(`there is no tier “${wish}”: ${tiers.map((tier) => tier.name).join(', ')}`);
const ci = process.env['CI'] === 'true';
const allowed = allowedSkips();
const sum = { passed: 0, failed: 0, skipped: 0 };

console.log(`seed ${seed} (repeat with KATA_SYSEXT_SEED=${seed})`);
for (const tier of chosen) {
  const missing = [...tier.programs.filter((path) => !executable(path)), ...(tier.root && process.getuid?.() !== 0 ? ['root'] : [])];
  if (missing.length > 0) {
    console.log(
      `\n# tier ${tier.name}: left out, it needs ${missing.join(', ')}. Type: apt-get install --no-install-recommends $(sed 's/#.*//' .ci/packages.txt)`,
    );
    if (ci && !isAllowed(`tier ${tier.name}`)) sum.failed += 1;
    else sum.skipped += 1;
    continue;
  }
  console.log(`\n# tier ${tier.name}`);
  await runTier(tier.folders);
}
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exit(sum.failed === 0 ? 0 : 1);

async function runTier(folders: string[]): Promise<void> {
  const mocha = new Mocha({ timeout: 120_000, forbidOnly: true, slow: 5000 });
  const files = folders.flatMap(specs);
  if (files.length === 0) throw new Error(`no spec matches ${folders.join(', ')}`);
  for (const file of files.sort()) mocha.addFile(file);
  await mocha.loadFilesAsync();
  await new Promise<void>((resolve) => {
    const runner = mocha.run(() => resolve());
    runner.on('pass', () => {
      sum.passed += 1;
    });
    runner.on('fail', () => {
      sum.failed += 1;
    });
    runner.on('pending', (test) => {
      const title = test.fullTitle();
      if (!ci || isAllowed(title)) sum.skipped += 1;
      else {
        sum.failed += 1;
        console.log(`! skipped in CI, and .ci/allowed-skips does not name it: ${title}`);
      }
    });
  });
}

function allowedSkips(): string[] {
  if (!existsSync('.ci/allowed-skips')) return [];
  const lines = readFileSync('.ci/allowed-skips', 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(' # ')[0]!.trim());
}

function isAllowed(title: string): boolean {
  return allowed.some((start) => title.startsWith(start));
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function specs(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true }).map(String);
  return names.filter((name) => name.endsWith('.spec.ts')).map((name) => `${folder}/${name}`);
}
