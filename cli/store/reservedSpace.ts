import { createHash } from 'node:crypto';
import type { Host } from '../host/index.ts';
import { reservedSpaceFile, stateFolder } from './paths.ts';

/** How much room an installation holds. */
const bytes = 512 * 1024;
/** With less than that left, other programs need the room more. */
const plentyBytes = 16 * bytes;

/**
 * How many bytes an installation reserves where so much is free: none where it has them (`there`), and none where other programs need the
 * room more.
 */
export function reservedRoom({ there, freeBytes }: { there: boolean; freeBytes: number }): number {
  return there || freeBytes < plentyBytes ? 0 : bytes;
}

/**
 * Room that an installation holds for the boot guard: on a full /var it could not begin the change that rolls a generation back. Where
 * there is no room for it now, a later change tries again.
 */
export async function reserveSpace(host: Host): Promise<void> {
  const there = (await host.lstat(reservedSpaceFile)) !== undefined;
  if (reservedRoom({ there, freeBytes: await host.freeBytes(stateFolder) }) === 0) return;
  await host.writeFile(reservedSpaceFile, content(), { mode: 0o600 }).catch(() => undefined);
}

/** Where /var is as good as full. */
export async function releaseReservedSpace(host: Host): Promise<void> {
  if ((await host.freeBytes(stateFolder)) < bytes) await host.unlink(reservedSpaceFile);
}

/** The same on every host, and nothing that a file system could compress. */
function content(): Buffer {
  const blocks = Array.from({ length: bytes / 32 }, (_, index) => createHash('sha256').update(`kata-sysext ${index}`).digest());
  return Buffer.concat(blocks);
}
