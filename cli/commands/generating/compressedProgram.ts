import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decompressed } from '../../bundle/index.ts';
import { piecesOf } from '../../host/index.ts';

/** Twice what the program has today. A few bytes that unpack to gigabytes are no program. */
const maxProgramBytes = 256 * 1024 * 1024;

/**
 * Unpacks a program that zstd compressed into a temporary folder of this user, while `use` looks at it. Gives what `use` gives. Throws
 * `bundle-damaged`, `bundle-too-large`, `host-program-missing`, `host-file-unfit` and `interrupted`, and what `tooLarge` makes of a file that
 * unpacks to more than a program has.
 */
export async function withUnpacked<T>(
  file: string,
  signal: AbortSignal,
  tooLarge: (bytes: number) => Error,
  use: (program: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-program-'));
  try {
    const program = join(folder, 'kata-sysext');
    await writeFile(program, bounded(decompressed('zstd', piecesOf(file, { follow: true, signal }), file, signal), tooLarge), {
      flag: 'wx',
      mode: 0o700,
    });
    return await use(program);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* bounded(pieces: AsyncIterable<Buffer>, tooLarge: (bytes: number) => Error): AsyncGenerator<Buffer, void> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (bytes > maxProgramBytes) throw tooLarge(maxProgramBytes);
    yield piece;
  }
}
