import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { version } from '../cli/version.ts';
import { imageSbom } from './image/describe.ts';
import { writeLayout } from './image/layout.ts';
import { type LibraryRoot, libraryRoot } from './image/libraries.ts';
import { writeRoot } from './image/root.ts';
import { bundledPackages } from './release/bundled.ts';
import { nodeComponents } from './release/contents.ts';
import { debianArchs } from './release/debianTexts.ts';
import { sourceOf } from './release/source.ts';
import { tarOf } from './release/tools.ts';
import { makeSingle } from './single/make.ts';
import { type Arch, archs } from './single/node.ts';

/**
 * Makes dist/image: the image of the node pod as an OCI layout, one index for both architectures, and its SBOM beside it. The same commit
 * and the same packages of Debian give the same bytes. Needs root, mmdebstrap, the C compilers and a Debian mirror.
 * -o DIR: another folder, which must not be there yet. --level N: how hard zstd tries (default 19, which is what is published).
 */
const { values } = parseArgs({
  options: { out: { type: 'string', short: 'o', default: 'dist/image' }, level: { type: 'string', default: '19' } },
});
/** What a node that pulls it has to fetch at most. */
const maxCompressedBytes = 35_000_000;
const publishedLevel = 19;
const level = Number(values.level);
if (!Number.isInteger(level) || level < 1 || level > 22) throw new Error('--level takes a number from 1 to 22');
const out = resolve(values.out);
if (existsSync(out)) throw new Error(`${out} is there already. Next: rm -r ${out}, or -o DIR`);

const { seconds } = await sourceOf({ trial: true });
await mkdir(dirname(out), { recursive: true });
const work = await mkdtemp(join(dirname(out), '.making-'));
try {
  const libraries = {} as Record<Arch, LibraryRoot>;
  const images = [];
  for (const arch of archs) {
    const [root, program] = [join(work, arch), join(work, `kata-sysext-${arch}`)];
    libraries[arch] = await libraryRoot(arch);
    const licences = await makeSingle(arch, program);
    await writeRoot(root, { arch, program, licences, libraries: libraries[arch] });
    await tarOf(root, `${root}.tar`, { seconds });
    for (const done of [root, program]) await rm(done, { recursive: true });
    images.push({ arch: debianArchs[arch] as 'amd64' | 'arm64', tar: `${root}.tar` });
  }
  const layout = join(work, 'layout');
  const { index, layerBytes } = await writeLayout({ folder: layout, version, images, seconds, level });
  const parts = { bundled: await bundledPackages(), components: await nodeComponents(), libraries };
  for (const [name, text] of Object.entries(imageSbom(index, version, seconds, parts))) await writeFile(join(layout, name), text);
  for (const [arch, bytes] of Object.entries(layerBytes)) {
    console.log(`${(bytes / 1e6).toFixed(1).padStart(6)} MB  linux/${arch}`);
    if (level >= publishedLevel && bytes > maxCompressedBytes)
      throw new Error(`linux/${arch} has ${bytes} bytes, and ${maxCompressedBytes} are the limit`);
  }
  await rename(layout, out);
  console.log(`${index}  ${values.out}`);
} finally {
  await rm(work, { recursive: true, force: true });
}
