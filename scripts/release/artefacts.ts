import { chmod, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../spec/lab/run.ts';
import { archs } from '../single/node.ts';
import { makeDeb } from './deb.ts';
import { installScript } from './installScript.ts';
import { sumsOf } from './sums.ts';
import { gzipped, tarOf } from './tools.ts';

export interface ArtefactsRequest {
  /** Empty; everything is written to it. */
  folder: string;
  version: string;
  /** Of zstd. */
  level: number;
  /** Seconds since 1970: of every file in an archive. */
  seconds: number;
}

/** What a node that installs Kata at its first boot has to fetch at most. */
const maxCompressedBytes = 35_000_000;

/**
 * Writes the files that are published: the program for each architecture as it is and compressed, with man page, completions and licences; the
 * Debian packages; the npm package; install.sh. Gives the names of those that carry a program. Takes five minutes at level 19, most of them in
 * zstd. Throws where a compressed program is too large.
 */
export async function makeArtefacts({ folder, version, level, seconds }: ArtefactsRequest): Promise<string[]> {
  const work = join(folder, '.work');
  await script('single.ts', '--out', join(work, 'single'), '--level', String(level));
  await rm(join(work, 'single/SHA256SUMS'));
  const debs = await Promise.all(
    archs.map((arch) => makeDeb({ version, arch, single: join(work, 'single'), seconds, level, work: join(work, arch), folder })),
  );
  const npm = await makeNpm(work, folder, version, seconds);
  const single = await readdir(join(work, 'single'));
  for (const name of single) await rename(join(work, 'single', name), join(folder, name));
  await rm(work, { recursive: true });
  const programs = archs.flatMap((arch) => [`kata-sysext-linux-${arch}`, `kata-sysext-linux-${arch}.zst`]);
  for (const name of programs.filter((each) => each.endsWith('.zst'))) await checkSize(join(folder, name));
  await writeFile(join(folder, 'install.sh'), installScript(version, await sumsOf(folder, programs)));
  await chmod(join(folder, 'install.sh'), 0o755);
  return [...programs, ...debs, npm, 'install.sh'];
}

/** The folder that `npm run package` makes, as npm itself packs it: below package/, without owners. */
async function makeNpm(work: string, folder: string, version: string, seconds: number): Promise<string> {
  const name = `kata-sysext-${version}.tgz`;
  await script('package.ts', join(work, 'npm'));
  await mkdir(join(work, 'packed'));
  const tar = join(work, 'packed/npm.tar');
  await tarOf(join(work, 'npm'), tar, { seconds, prefix: 'package' });
  await rename(await gzipped(tar), join(folder, name));
  return name;
}

async function checkSize(file: string): Promise<void> {
  const { size } = await stat(file);
  if (size > maxCompressedBytes)
    throw new Error(`${file} has ${size} bytes, and ${maxCompressedBytes} are the limit: use a higher --level`);
}

async function script(name: string, ...args: string[]): Promise<void> {
  await run([process.execPath, '--import', 'tsx', `scripts/${name}`, ...args], {
    timeoutMs: 1_800_000,
    env: { NODE_OPTIONS: '', TSX_DISABLE_CACHE: '1' },
  });
}
