import type { FileHandle } from 'node:fs/promises';

/** Writes all of a piece at a place: on a disk that becomes full, a write takes a part of it and says nothing. Throws ENOSPC with the rest. */
export async function writeWhole(file: FileHandle, piece: Buffer, at: number): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    const { bytesWritten } = await file.write(piece, done, piece.length - done, at + done);
    done += bytesWritten;
  }
}
