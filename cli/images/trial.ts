import { KataError } from '../errors/index.ts';
import { type HostView, programs } from '../host/index.ts';
import { formatRow } from './formats.ts';
import { type Listed, listed, listing } from './listing.ts';
import { damaged } from './trailer.ts';
import type { ImageFormat } from './types.ts';

const unreadable = 10;

/** What mount says goes through a pipe of the shell's: SELinux denies it a look at Node's sockets. */
const script = `
type=$1; image=$2; shift 2
said=$(mount -t "$type" -o ro,nodev,loop "$image" /run 2>&1) || { echo "$said" >&2; exit 1; }
find /run "$@" || exit ${unreadable}
`;

/**
 * Mounts an image (a real path) in a mount namespace that goes away with its only process: the one proof that this kernel has the file
 * system and what it is compressed with, and a free loop device. Gives what is in it; undefined on a tree that does not run and without
 * root, where nothing is mounted. `name` is what people know it by. Throws `image-kernel`, `image-damaged`, `host-program-missing`.
 */
export async function tryImage(host: HostView, image: string, format: ImageFormat, name = image): Promise<Listed[] | undefined> {
  if (!host.live || process.getuid?.() !== 0) return undefined;
  if (!(await host.has('find'))) throw noFind();
  const { kernel } = formatRow(format);
  const { code, stdout, stderr } = await host.run(
    'unshare',
    ['--mount', '--propagation', 'private', '/bin/sh', '-c', script, 'sh', kernel, image, ...listing],
    { timeoutMs: 60_000, accept: [...Array(256).keys()] },
  );
  if (code === 0) return listed(stdout);
  const said = stderr.trim().split('\n')[0];
  if (code === unreadable) throw damaged(name, `what is mounted cannot be listed: ${said}`);
  throw new KataError('image-kernel', {
    subject: kernel,
    found: `the kernel does not mount the image: ${said === '' ? `the trial ended with ${code}` : said}`,
    needed: `a kernel with ${kernel} and loop devices`,
    next: 'install with another --format (directory always works); the kernel’s own words: dmesg | tail',
  });
}

function noFind(): KataError {
  return new KataError('host-program-missing', {
    subject: 'find',
    found: 'the program find is not on this host',
    needed: `find, from the package ${programs['find']}, to look into the image`,
    next: `install ${programs['find']}, then run the command again`,
  });
}
