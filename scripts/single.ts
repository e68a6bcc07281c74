import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { completionFiles } from '../cli/commands/completion/index.ts';
import { digestOfFile } from '../cli/host/index.ts';
import { compress } from './single/compress.ts';
import { makeSingle } from './single/make.ts';
import { archs, nodeVersion } from './single/node.ts';

/**
 * Makes dist/single: the program as one file for each architecture, the same compressed, licences of what is inside, the man page,
 * completions, and SHA256SUMS.
 * --without-probe: where a C compiler is missing; `check` then cannot ask KVM.
 * --level N: how hard zstd tries (default 19, which is what is published and takes a minute a file). --out DIR: another folder, emptied first.
 */
const { values } = parseArgs({
  options: {
    level: { type: 'string', default: '19' },
    out: { type: 'string', default: 'dist/single' },
    'without-probe': { type: 'boolean', default: false },
  },
});
const level = Number(values.level);
if (!Number.isInteger(level) || level < 1 || level > 22) throw new Error('--level takes a number from 1 to 22');

const folder = values.out;
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const made: string[] = [];
for (const arch of archs) {
  const file = `${folder}/kata-sysext-linux-${arch}`;
  const licences = await makeSingle(arch, file, { without: values['without-probe'] });
  made.push(file, await compress(file, level));
  await writeFile(`${folder}/THIRD-PARTY-LICENSES`, licences);
}
const texts = { 'kata-sysext.8': await readFile('man/kata-sysext.8', 'utf8'), ...completionFiles() };
for (const [name, text] of Object.entries(texts)) await writeFile(`${folder}/${name}`, text);
made.push(...['THIRD-PARTY-LICENSES', ...Object.keys(texts)].map((name) => `${folder}/${name}`));
const sums: string[] = [];
for (const file of made) {
  const digest = (await digestOfFile(file)).replace(/^sha256:/, '');
  sums.push(`${digest}  ${basename(file)}`);
  console.log(`${digest}  ${((await stat(file)).size / 1e6).toFixed(1).padStart(6)} MB  ${file}`);
}
await writeFile(`${folder}/SHA256SUMS`, `${sums.join('\n')}\n`);
console.log(`Node ${nodeVersion} inside. Check with: cd ${folder} && sha256sum -c SHA256SUMS`);
