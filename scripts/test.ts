import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, appendFileSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seed } from '../spec/support/sample.ts';
import { failuresOf } from './failures.ts';
import { mayBeLeftOut, runTier, type Sum } from './runTier.ts';
import { lanes, type Tier, tiers } from './tiers.ts';

/**
 * Runs the tiers and closes with `N passed, N failed, N skipped`. --tier X runs one; --all runs the long loops whole. Several tiers run in
 * lanes beside each other, a process each: live hosts mostly wait. What a tier says is shown whole when it ends, and can be followed in a file;
 * what failed is said again at the end.
 */
const argv = process.argv.slice(2);
if (argv.includes('--all')) process.env['KATA_SYSEXT_ALL'] = '1';
process.env['KATA_SYSEXT_SEED'] = String(seed);
const wish = argv[argv.indexOf('--tier') + 1];
const sum = argv.includes('--tier') ? await one(wish) : await all();
console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exit(sum.failed === 0 ? 0 : 1);

async function one(name: string | undefined): Promise<Sum> {
  const tier = tiers.find((each) => each.name === name);
  if (tier === undefined) throw new Error(`there is no tier “${name}”: ${tiers.map((each) => each.name).join(', ')}`);
  if (process.env['KATA_SYSEXT_LANES'] !== '1') console.log(`seed ${seed} (repeat with KATA_SYSEXT_SEED=${seed})`);
  const missing = [...tier.programs.filter((path) => !executable(path)), ...(tier.root && process.getuid?.() !== 0 ? ['root'] : [])];
  console.log(`\n# tier ${tier.name}`);
  return missing.length > 0 ? leftOut(tier, missing) : runTier(tier);
}

function leftOut({ name }: Tier, missing: string[]): Sum {
  console.log(`left out, it needs ${missing.join(', ')}. Type: apt-get install --no-install-recommends $(sed 's/#.*//' .ci/packages.txt)`);
  return mayBeLeftOut(`tier ${name}`) ? { passed: 0, failed: 0, skipped: 1 } : { passed: 0, failed: 1, skipped: 0 };
}

async function all(): Promise<Sum> {
  console.log(`seed ${seed} (repeat with KATA_SYSEXT_SEED=${seed})`);
  const total: Sum = { passed: 0, failed: 0, skipped: 0 };
  const children = new Set<ChildProcess>();
  let ended = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      ended = true;
      for (const child of children) child.kill(signal);
    });
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-tests-'));
  console.log(`to follow a tier: tail -f ${folder}/*.log`);
  const failures: string[] = [];
  const lane = async (names: string[]) => {
    for (const name of names) {
      if (ended) break;
      const said = await apart(name, children, join(folder, `${name}.log`));
      process.stdout.write(said);
      const ending = /\n(\d+) passed, (\d+) failed, (\d+) skipped\n$/.exec(said);
      const [, passed, failed, skipped] = ending ?? [];
      if (Number(failed ?? 1) > 0) failures.push(`# failed in tier ${name}\n\n${failuresOf(said, ending === null)}`);
      // A tier that ends without its sum has died.
      total.passed += Number(passed ?? 0);
      total.failed += Number(failed ?? 1);
      total.skipped += Number(skipped ?? 0);
    }
  };
  await Promise.all(lanes.map(lane));
  rmSync(folder, { recursive: true });
  if (failures.length > 0) console.log(`\n${failures.join('\n\n')}\n\nrepeat with KATA_SYSEXT_SEED=${seed}`);
  if (ended) throw new Error('the tests were ended by a signal');
  return total;
}

function apart(name: string, children: Set<ChildProcess>, log: string): Promise<string> {
  return new Promise((resolve) => {
    const started = Date.now();
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, '--tier', name], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, KATA_SYSEXT_LANES: '1' },
    });
    children.add(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        appendFileSync(log, chunk);
      });
    child.on('close', () => {
      children.delete(child);
      resolve(said.replace(/(\n\d+ passed, )/, `\n${name}: ${Math.round((Date.now() - started) / 1000)} s$1`));
    });
  });
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
