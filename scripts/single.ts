import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { digestOfFile } from '../cli/host/index.ts';
import { version } from '../cli/version.ts';
import { compress } from './single/compress.ts';
import { makeSingle } from './single/make.ts';
import { archs, nodeVersion } from './single/node.ts';

/**
 * Makes dist/single: the program as one file for each architecture, the same compressed, and SHA256SUMS.
 * --level N: how hard zstd tries (default 19, what is published; 9 takes a tenth of the time).
 */
const wish = process.argv.indexOf('--level');
const level = wish === -1 ? 19 : Number(process.argv[wish + 1]);
if (!Number.isInteger(level) || level < 1 || level > 22) throw new Error('--level takes a number from 1 to 22');

const folder = 'dist/single';
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const made: string[] = [];
for (const arch of archs) {
  const file = `${folder}/kata-sysext-${version}-linux-${arch}`;
  await makeSingle(arch, file);
  made.push(file, await compress(file, level));
}
const sums: string[] = [];
for (const file of made) {
  const digest = (await digestOfFile(file)).replace(/^sha256:/, '');
  sums.push(`${digest}  ${basename(file)}`);
  console.log(`${digest}  ${((await stat(file)).size / 1e6).toFixed(1).padStart(6)} MB  ${file}`);
}
await writeFile(`${folder}/SHA256SUMS`, `${sums.join('\n')}\n`);
console.log(`Node ${nodeVersion} inside. Check with: cd ${dirname(made[0]!)} && sha256sum -c SHA256SUMS`);
