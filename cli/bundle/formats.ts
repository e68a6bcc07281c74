import { checksumFits } from './tarHeader.ts';

export type Format = 'tar' | 'zstd' | 'xz' | 'gzip';

const magics: { format: Format; bytes: number[] }[] = [
  { format: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { format: 'gzip', bytes: [0x1f, 0x8b, 0x08] },
  { format: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
];

export const archiveNames = '.tar, .tar.zst, .tar.xz or .tar.gz';

/** What an archive is by its first bytes (at least 512 of them, if it has as many); names do not count. */
export function formatOf(head: Buffer): Format | undefined {
  for (const { format, bytes } of magics) if (bytes.every((byte, at) => head[at] === byte)) return format;
  return head.length >= 512 && checksumFits(head.subarray(0, 512)) ? 'tar' : undefined;
}
