import type { Format, ImageFormat } from './types.ts';

export interface FormatRow {
  name: ImageFormat;
  /** The program of `host/programs.ts` that makes it. */
  maker: string;
  /** Arguments with which that program prints its version. */
  versionArguments: string[];
  /** The kernel's own name, and that of its module. */
  kernel: string;
}

const rows: FormatRow[] = [
  { name: 'squashfs', maker: 'mksquashfs', versionArguments: ['-version'], kernel: 'squashfs' },
  { name: 'erofs', maker: 'mkfs.erofs', versionArguments: ['-V'], kernel: 'erofs' },
];

export const formatNames: Format[] = ['directory', ...rows.map(({ name }) => name)];

export function formatRow(format: ImageFormat): FormatRow {
  return rows.find(({ name }) => name === format)!;
}

export function isFormat(word: string): word is Format {
  return (formatNames as string[]).includes(word);
}
