import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeHostTree, makeRelease } from '../cli/commands/try/tree.ts';
import { digestOfFile } from '../cli/host/index.ts';
import { program } from '../spec/support/program.ts';
import { imageFigures } from './images.ts';
import { type Measured, measure, ratio, seconds } from './measure.ts';
import { bigRelease, emptyFolder } from './release.ts';

/**
 * Each figure is a ratio against a floor that is measured in the same run, in turn. Machines are shared: read medians, and no
 * test asserts them. Offline trees on the disk of TMPDIR; live runs have an engine's answers on top.
 */
const rounds = Number(process.argv[2] ?? 5);
const bigBytes = 1_000_000_000;
const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-bench-'));
const kata = (...args: string[]) => [process.execPath, program(), ...args, '--progress', 'none'];

try {
  await installFigure();
  await smallFigures();
  await imageFigures({ folder, rounds: Math.min(rounds, 3), bigBytes, kata });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function installFigure(): Promise<void> {
  const archive = await bigRelease(folder, bigBytes);
  const [ours, floor]: [Measured[], Measured[]] = [[], []];
  for (let round = 0; round < Math.min(rounds, 3); round += 1) {
    const out = emptyFolder(join(folder, `floor-${round}`));
    floor.push(await measure(['sh', '-c', `zstd -dc ${archive} | tar -x -C ${out} && sync -f ${out}`]));
    rmSync(out, { recursive: true });
    const root = join(folder, `host-${round}`);
    await makeHostTree(root);
    ours.push(await measure(kata('install', archive, '--root', root, '--engine', 'containerd@1.7')));
    rmSync(root, { recursive: true });
  }
  ratio('install of a 1 GB archive, against zstd -dc | tar -x and sync (wanted: 1.3 or less)', ours, floor);
  console.log(
    `  peak memory of the process tree: ${(Math.max(...ours.map((each) => each.peakBytes)) / 1e6).toFixed(0)} MB (wanted: 150 or less)`,
  );
}

async function smallFigures(): Promise<void> {
  const root = join(folder, 'small');
  const releases = ['1.0.0', '2.0.0'].map((version) => join(folder, version));
  await makeHostTree(root);
  for (const [index, release] of releases.entries()) await makeRelease(release, `${index + 1}.0.0`);
  const archive = await bigRelease(emptyFolder(join(folder, 'middle')), 100_000_000);
  const at = ['--root', root, '--engine', 'containerd@1.7'];
  await measure(kata('install', releases[0]!, ...at));
  await measure(kata('install', archive, ...at));
  const digest = await digestOfFile(archive);
  const times = { again: [] as Measured[], rollback: [] as Measured[], status: [] as Measured[], node: [] as Measured[] };
  for (let round = 0; round < rounds; round += 1) {
    times.again.push(await measure(kata('install', archive, '--digest', digest, ...at)));
    times.node.push(await measure([process.execPath, '-e', '0']));
    times.status.push(await measure(kata('status', '--root', root)));
  }
  for (let round = 0; round < rounds; round += 1) times.rollback.push(await measure(kata('rollback', ...at)));
  console.log(`repeated install with the digest known: ${seconds(times.again)} s (wanted: 0.5 or less)`);
  console.log(`rollback: ${seconds(times.rollback)} s (wanted: 0.5 or less)`);
  ratio('status, against node -e 0 (wanted: 2 or less)', times.status, times.node);
}
