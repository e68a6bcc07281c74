import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeFolder, nodeVersion } from '../scripts/single/node.ts';
import { program } from '../spec/support/program.ts';
import { singleFile } from '../spec/support/singleFile.ts';
import { median } from './measure.ts';

/** What a start costs: user and system time of `status`, in turn with Node doing nothing. Machines are shared: read medians. */
const rounds = Number(process.argv[2] ?? 20);
const pinned = join(await nodeFolder('x64'), 'node');
const file = await singleFile();
const root = mkdtempSync(join(tmpdir(), 'kata-sysext-start-'));
process.on('exit', () => rmSync(root, { recursive: true }));
const rows: Record<string, string[]> = {
  [`node ${process.version} -e 0`]: [process.execPath, '-e', '0'],
  [`node ${process.version}, status`]: [process.execPath, program(), 'status', '--root', root],
  [`node v${nodeVersion} -e 0`]: [pinned, '-e', '0'],
  [`node v${nodeVersion}, status`]: [pinned, program(), 'status', '--root', root],
  'single file, --version': [file, '--version'],
  'single file, status': [file, 'status', '--root', root],
};
const times = Object.fromEntries(Object.keys(rows).map((name) => [name, [] as number[]]));

for (let round = 0; round < rounds; round += 1) for (const [name, argv] of Object.entries(rows)) times[name]!.push(cpuMs(argv));
for (const [name, values] of Object.entries(times)) console.log(`${name.padEnd(28)} ${median(values).toFixed(0).padStart(4)} ms`);

/** User and system time of a command, by the shell that waited for it. */
function cpuMs(argv: string[]): number {
  const { stderr } = spawnSync('bash', ['-c', 'TIMEFORMAT="%3U %3S"; time "$@" >/dev/null 2>/dev/null', 'bash', ...argv], {
    encoding: 'utf8',
  });
  const [user, system] = stderr.trim().split(' ').map(Number);
  return (user! + system!) * 1000;
}
