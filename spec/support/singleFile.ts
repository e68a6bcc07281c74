import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSingle } from '../../scripts/single/make.ts';
import { type Arch, archs } from '../../scripts/single/node.ts';
import { run } from '../lab/run.ts';
import { repo } from './program.ts';

const made = new Map<string, Promise<string>>();

/** The program as one executable file for hosts without Node: made once for each test run, in some seconds, into a folder of its own. */
export function singleFile(arch: Arch = 'x64'): Promise<string> {
  return once(arch, async () => {
    const file = join(temporary(), 'kata-sysext');
    await makeSingle(arch, file);
    return file;
  });
}

/** The folder that `npm run single` makes, with both architectures; compressed at a quick level, so that the sizes are upper bounds. */
export function singleFolder(): Promise<string> {
  return once('all', async () => {
    const folder = temporary();
    await run(['npm', 'run', '--silent', 'single', '--', '--level', '3', '--out', folder], { cwd: repo, timeoutMs: 900_000 });
    return folder;
  });
}

/** The files of `singleFolder` by architecture. */
export async function singleFiles(): Promise<Record<Arch, string>> {
  const folder = await singleFolder();
  return Object.fromEntries(archs.map((arch) => [arch, join(folder, `kata-sysext-linux-${arch}`)])) as Record<Arch, string>;
}

function once(name: string, make: () => Promise<string>): Promise<string> {
  const known = made.get(name) ?? make();
  made.set(name, known);
  return known;
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-single-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
