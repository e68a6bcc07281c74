import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The least bytes that make a file a component of its kind. */
export function elfKernel(tag = '', sizeBytes = 8192): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes[4] = 2;
  bytes[5] = 1;
  bytes.writeUInt16LE(62, 18);
  bytes.write(tag, 64);
  return bytes;
}

export function bzImage(tag = ''): Buffer {
  const bytes = Buffer.alloc(8192);
  bytes.writeUInt16LE(0xaa55, 0x1fe);
  bytes.write('HdrS', 0x202);
  bytes.write(tag, 0x400);
  return bytes;
}

export function gzipInitrd(tag = ''): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.set([0x1f, 0x8b]);
  bytes.write(tag, 64);
  return bytes;
}

/** A disk whose first partition begins after 1 MiB. */
export function diskImage(fileSystem: 'ext4' | 'xfs' | 'erofs', { sectors = 8, sizeBytes = (2048 + 8) * 512 } = {}): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  bytes.writeUInt32LE(2048, 446 + 8);
  bytes.writeUInt32LE(sectors, 446 + 12);
  bytes.writeUInt16LE(0xaa55, 510);
  const at = 2048 * 512;
  if (fileSystem === 'xfs') bytes.write('XFSB', at);
  if (fileSystem === 'erofs') bytes.writeUInt32LE(0xe0f5e1e2, at + 1024);
  if (fileSystem === 'ext4') bytes.writeUInt16LE(0xef53, at + 1024 + 56);
  return bytes;
}

/** Writes a file into a folder and gives its path. */
export function fileIn(folder: string, name: string, bytes: Buffer | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
