import { cp, mkdir, readFile, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { libraryRoot } from '../../scripts/image/libraries.ts';
import { type Ran, run } from '../lab/run.ts';

/** All that the program asks of a host during `try`. */
const programs = ['/usr/bin/cp', '/usr/bin/sync', '/usr/bin/flock'];
/** Beside the libraries of those programs; the last four are parts of glibc. */
const libraries = ['libstdc++.so.6', 'libgcc_s.so.1', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'libc.so.6'];

/**
 * In a mount and PID namespace of its own: the root with a writable layer that is thrown away, the program at /kata-sysext, an empty folder
 * /host. $1 root, $2 program or nothing, $3 a folder that is /share inside, or nothing; then the command inside.
 */
const enter = `set -e
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
cd /mnt/root
mkdir -p proc dev tmp host
mount -t proc proc proc
mount --bind /dev dev
mount -t tmpfs none tmp
if [ -n "$2" ]; then
  : >kata-sysext
  mount --bind "$2" kata-sysext
fi
if [ -n "$3" ]; then
  mkdir share
  mount --bind "$3" share
fi
shift 3
exec chroot . "$@"`;

/** Runs a command inside a root, where the program, if there is one, is /kata-sysext and `share` is /share. The folder of the root itself stays as it is. */
export async function runInside(
  root: string,
  program: string | undefined,
  command: string[],
  { share = '', ...options }: { env?: Record<string, string>; allowFailure?: boolean; share?: string } = {},
): Promise<Ran> {
  const argv = [
    'unshare',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    'sh',
    '-c',
    enter,
    'enter',
    root,
    program ?? '',
    share,
    ...command,
  ];
  return await run(argv, { ...options, timeoutMs: 600_000 });
}

/** The files of a root with glibc, libstdc++, libgcc and three programs: no shell, no Node, no /etc. */
export async function bareRoot(into: string): Promise<string> {
  const found = await libraryFolder();
  const named = libraries.map((name) => join(found, name));
  const wanted = new Set([...programs, ...named]);
  for (const file of [...programs, ...named]) {
    const { stdout } = await run(['ldd', file], { allowFailure: true });
    for (const [path] of stdout.matchAll(/(?<=[\t ])\/\S+/g)) wanted.add(path);
  }
  for (const file of wanted) {
    const to = join(into, file);
    await mkdir(dirname(to), { recursive: true });
    await cp(await realpath(file), to);
  }
  return into;
}

/** Where this machine's C library is. */
async function libraryFolder(): Promise<string> {
  const maps = await readFile('/proc/self/maps', 'utf8');
  const path = /\s(\/\S+)\/libc\.so\.6$/m.exec(maps)?.[1];
  if (path === undefined) throw new Error('cannot find libc.so.6 in the maps of this process');
  return path;
}

/** The folder of arm64's C and C++ libraries, unpacked and never run here. */
export async function armRoot(): Promise<string> {
  return (await libraryRoot('arm64')).root;
}
