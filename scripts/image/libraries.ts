import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { byBytes, digestOfFile } from '../../cli/host/index.ts';
import { cached } from '../../spec/lab/cache.ts';
import { debianMirror } from '../../spec/lab/mirror.ts';
import { run } from '../../spec/lab/run.ts';
import { debianArchs } from '../release/debianTexts.ts';
import type { Arch } from '../single/node.ts';
import { neededBy } from './elfNeeds.ts';

/** The program needs glibc 2.28 and up (docs/reference/hosts.md); these are of the oldest Debian that is supported for years. */
const suite = 'bookworm';
const wanted = ['libc6', 'libstdc++6', 'libgcc-s1'];

/** A package of Debian, as its control file has it. */
export interface DebianPackage {
  name: string;
  version: string;
  /** The source package, with its version where that is another one. */
  source: string;
  sha256: string;
}

export interface LibraryRoot {
  /** The packages, unpacked and never run. */
  root: string;
  packages: DebianPackage[];
}

/**
 * Debian's C and C++ libraries for an architecture, unpacked: fetched at first use in some seconds, then kept. Needs root, mmdebstrap and a
 * Debian mirror in the sources of apt.
 */
export async function libraryRoot(arch: Arch): Promise<LibraryRoot> {
  const mirror = debianMirror();
  if (mirror === undefined) throw new Error('cannot find a Debian mirror in the sources of apt');
  const argv = [
    'mmdebstrap',
    '--mode=root',
    '--variant=extract',
    `--architectures=${debianArchs[arch]}`,
    '--format=directory',
    '--quiet',
    `--include=${wanted.join(',')}`,
    '--extract-hook=mkdir "$1/debs" && cp "$1"/var/cache/apt/archives/*.deb "$1/debs"',
  ];
  const folder = await cached(`libraries-${arch}`, [...argv, suite], async (building) => {
    const line = `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} ${suite} main`;
    await run([...argv, suite, join(building, 'root'), line], { timeoutMs: 300_000 });
  });
  const debs = join(folder, 'root/debs');
  const files = (await readdir(debs)).sort(byBytes).map((name) => join(debs, name));
  return { root: join(folder, 'root'), packages: await Promise.all(files.map(packageIn)) };
}

async function packageIn(file: string): Promise<DebianPackage> {
  const { stdout } = await run(['dpkg-deb', '--field', file, 'Package', 'Version', 'Source'], { env: { LC_ALL: 'C' } });
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(stdout)?.[1];
  const [name, version] = [field('Package'), field('Version')];
  if (name === undefined || version === undefined) throw new Error(`${file} has no name or no version`);
  return { name, version, source: field('Source') ?? name, sha256: (await digestOfFile(file)).replace('sha256:', '') };
}

/** Where Debian has libraries of an architecture, and the program's interpreter looks for them. */
const triplets: Record<Arch, string> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/** All shared libraries that a program needs, directly or not: where each is to be, and the file that it is. Throws for one that is not there. */
export async function librariesFor(program: string, arch: Arch, { root }: LibraryRoot): Promise<Map<string, string>> {
  const places = new Map<string, string>();
  const folders = [`lib/${triplets[arch]}`, `usr/lib/${triplets[arch]}`];
  const find = async (name: string): Promise<string> => {
    for (const folder of folders) {
      const file = await realpath(join(root, folder, name)).catch(() => undefined);
      if (file?.startsWith(root)) return file;
    }
    throw new Error(`${program} needs ${name}, which no package of Debian ${suite} has that the image takes`);
  };
  const walk = async (file: string): Promise<void> => {
    const { interpreter, libraries } = neededBy(await readFile(file));
    if (interpreter !== undefined) places.set(interpreter.slice(1), await find(interpreter.slice(interpreter.lastIndexOf('/') + 1)));
    for (const name of libraries) {
      const at = `${folders[0]}/${name}`;
      if (places.has(at)) continue;
      places.set(at, await find(name));
      await walk(places.get(at)!);
    }
  };
  await walk(program);
  return places;
}
