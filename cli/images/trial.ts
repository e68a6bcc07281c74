import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { formatRow } from './formats.ts';
import type { ImageFormat } from './types.ts';

/**
 * Mounts an image (a real path) in a mount namespace that goes away with its only process: the one proof that this kernel has the file
 * system and what it is compressed with, and a free loop device. Does nothing on a tree that does not run. Throws `image-kernel`.
 */
export async function tryImage(host: HostView, image: string, format: ImageFormat): Promise<void> {
  if (!host.live || process.getuid?.() !== 0) return;
  const { kernel } = formatRow(format);
  const { code, stderr } = await host.run(
    'unshare',
    ['--mount', '--propagation', 'private', 'mount', '-t', kernel, '-o', 'ro,nodev,loop', image, '/run'],
    { timeoutMs: 60_000, accept: [0, 1, 2, 4, 8, 16, 32, 64] },
  );
  if (code === 0) return;
  throw new KataError('image-kernel', {
    subject: kernel,
    found: `the kernel does not mount the image: ${stderr.trim().split('\n')[0] ?? `mount ended with ${code}`}`,
    needed: `a kernel with ${kernel} and loop devices`,
    next: 'install with another --format (directory always works); the kernel’s own words: dmesg | tail',
  });
}
