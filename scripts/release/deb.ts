import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { byBytes } from '../../cli/host/index.ts';
import { compress } from '../single/compress.ts';
import type { Arch } from '../single/node.ts';
import { arOf } from './ar.ts';
import { controlText, copyrightText, debianArchs, debianChangelog, debianVersion } from './debianTexts.ts';
import { gzipped, tarOf } from './tools.ts';

export interface DebRequest {
  version: string;
  arch: Arch;
  /** The folder of `npm run single`. */
  single: string;
  /** Seconds since 1970: of every file in it. */
  seconds: number;
  /** Of zstd. */
  level: number;
  /** Emptied, and removed at the end. */
  work: string;
  /** Where the package is written to. */
  folder: string;
}

const documentation = 'usr/share/doc/kata-sysext';

/** Where Debian has what `npm run single` makes, with what is compressed as Debian's policy asks. */
const places: Record<string, string> = {
  'kata-sysext.8': 'usr/share/man/man8/kata-sysext.8',
  'kata-sysext.bash': 'usr/share/bash-completion/completions/kata-sysext',
  '_kata-sysext': 'usr/share/zsh/vendor-completions/_kata-sysext',
  'kata-sysext.fish': 'usr/share/fish/vendor_completions.d/kata-sysext.fish',
  'THIRD-PARTY-LICENSES': `${documentation}/THIRD-PARTY-LICENSES`,
};

/**
 * Writes a Debian package without maintainer scripts, and gives its name. It is made without dpkg, and zstd is the pinned Node's: so the
 * bytes do not depend on the machine. dpkg reads zstd since 1.21.18 (Debian 12), on Ubuntu since 18.04.
 */
export async function makeDeb(request: DebRequest): Promise<string> {
  const { version, arch, seconds, level, work, folder } = request;
  await rm(work, { recursive: true, force: true });
  const [data, control] = [join(work, 'data'), join(work, 'control')];
  await mkdir(control, { recursive: true });
  await stage(request, data);
  const files = await filesIn(data);
  const sizes = await Promise.all(files.map(async (file) => (await readFile(file)).length));
  const installedBytes = sizes.reduce((sum, size) => sum + size, 0);
  await writeFile(join(control, 'control'), controlText({ version, arch, installedBytes }));
  await writeFile(join(control, 'md5sums'), await md5sums(data, files));
  for (const each of [data, control]) await tarOf(each, `${each}.tar`, { seconds });
  const members = [
    { name: 'debian-binary', bytes: Buffer.from('2.0\n') },
    { name: 'control.tar.zst', bytes: await readFile(await compress(`${control}.tar`, level)) },
    { name: 'data.tar.zst', bytes: await readFile(await compress(`${data}.tar`, level)) },
  ];
  const name = `kata-sysext_${debianVersion(version)}_${debianArchs[arch]}.deb`;
  await writeFile(join(folder, name), arOf(members, seconds));
  await rm(work, { recursive: true });
  return name;
}

async function stage({ version, arch, single, seconds }: DebRequest, data: string): Promise<void> {
  const put = async (path: string, from: string | { text: string }) => {
    const file = join(data, path);
    await mkdir(dirname(file), { recursive: true });
    if (typeof from === 'string') await copyFile(from, file);
    else await writeFile(file, from.text);
    return file;
  };
  await chmod(await put('usr/bin/kata-sysext', join(single, `kata-sysext-linux-${arch}`)), 0o755);
  for (const [name, path] of Object.entries(places)) await put(path, join(single, name));
  await put(`${documentation}/copyright`, { text: copyrightText() });
  await put(`${documentation}/changelog`, 'CHANGELOG.md');
  await put(`${documentation}/changelog.Debian`, { text: debianChangelog(version, seconds) });
  for (const path of [places['kata-sysext.8']!, `${documentation}/changelog`, `${documentation}/changelog.Debian`])
    await gzipped(join(data, path));
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort(byBytes);
}

/** What `dpkg --verify` compares with. */
async function md5sums(data: string, files: string[]): Promise<string> {
  const lines: string[] = [];
  for (const file of files)
    lines.push(
      `${createHash('md5')
        .update(await readFile(file))
        .digest('hex')}  ${relative(data, file)}\n`,
    );
  return lines.join('');
}
