import { fstatSync } from 'node:fs';

/** The output of another program, or a file that the shell opened. */
export interface Input {
  /** False for a terminal, /dev/null and a closed input: they bring no text to explain. */
  given(): boolean;
  /** The first bytes, at most one more than `maxBytes`, so that the caller sees that there were more. Waits for the end of shorter ones. */
  read(maxBytes: number): Promise<Buffer>;
}

export function standardInput(): Input {
  return { given, read };
}

function given(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    return false;
  }
}

async function read(maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of process.stdin as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    // Leaving the loop closes the input: its writer ends as with head(1).
    if (length > maxBytes) break;
  }
  return Buffer.concat(pieces).subarray(0, maxBytes + 1);
}
