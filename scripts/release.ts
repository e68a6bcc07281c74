import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { version } from '../cli/version.ts';
import { makeArtefacts } from './release/artefacts.ts';
import { describe, describedBuild } from './release/describe.ts';
import { openKeys, sign } from './release/sign.ts';
import { sourceOf } from './release/source.ts';
import { sumsOf, sumsText } from './release/sums.ts';

/**
 * Makes release/VERSION: all that is published, the same bytes from the same commit on every x86-64 machine with the same C compilers.
 * --out DIR: another folder, which must not be there yet. --level N: how hard zstd tries (default 19, which takes minutes).
 * --key FILE, --minisign FILE: sign SHA256SUMS with this ECDSA key (PEM), with this key of minisign. --builder URI: who runs it, for the
 * provenance. --trial: files may differ from the commit; the provenance says so.
 */
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: `release/${version}` },
    level: { type: 'string', default: '19' },
    key: { type: 'string' },
    minisign: { type: 'string' },
    builder: { type: 'string', default: 'urn:x-kata-sysext:builder:maintainer' },
    trial: { type: 'boolean', default: false },
  },
});
const level = Number(values.level);
if (!Number.isInteger(level) || level < 1 || level > 22) throw new Error('--level takes a number from 1 to 22');
if (!URL.canParse(values.builder)) throw new Error('--builder takes a URI');
// V8's code cache is inside the program for x64, and only a Node of that architecture can make it.
if (process.arch !== 'x64') throw new Error(`a release is made on x86-64, and this machine is ${process.arch}`);
const out = resolve(values.out);
if (existsSync(out)) throw new Error(`${out} is there already. Next: rm -r ${out}, or --out DIR`);

const keys = await openKeys({ openssl: values.key, minisign: values.minisign });
const source = await sourceOf({ trial: values.trial });
await mkdir(dirname(out), { recursive: true });
const folder = await mkdtemp(join(dirname(out), '.making-'));
try {
  const names = await makeArtefacts({ folder, version, level, seconds: source.seconds });
  await describe(folder, names, await describedBuild({ version, source, builder: values.builder, level }));
  const after = await sourceOf({ trial: values.trial });
  if (after.commit !== source.commit || after.changed !== source.changed)
    throw new Error('the checkout changed while the release was made. Next: make it again in a checkout that nobody works in');
  const sums = await sumsOf(folder);
  const list = join(folder, 'SHA256SUMS');
  await writeFile(list, sumsText(sums));
  const signatures = await sign(list, keys, `kata-sysext ${version} SHA256SUMS`);
  for (const file of [list, ...signatures]) await chmod(file, 0o644);
  await chmod(folder, 0o755);
  await rename(folder, out);
  for (const { name, sha256, bytes } of sums) console.log(`${sha256}  ${(bytes / 1e6).toFixed(1).padStart(6)} MB  ${name}`);
  console.log(`${out} is made of commit ${source.commit}. Check with: cd ${out} && sha256sum -c SHA256SUMS`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
