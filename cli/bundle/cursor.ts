/** Reads a stream of chunks by length, without copying what lies in one chunk. */
export interface Cursor {
  /** Exactly `length` bytes (a small number: they are put together), or undefined when the stream ends before. */
  exact(length: number): Promise<Buffer | undefined>;
  /** The next `length` bytes as they come; returns how many were missing at the end of the stream. */
  pieces(length: number): AsyncGenerator<Buffer, number>;
}

export function cursorOf(chunks: AsyncIterator<Buffer>): Cursor {
  let chunk: Buffer = Buffer.alloc(0);

  async function more(): Promise<boolean> {
    while (chunk.length === 0) {
      const next = await chunks.next();
      if (next.done === true) return false;
      chunk = next.value;
    }
    return true;
  }

  function cut(length: number): Buffer {
    const piece = chunk.subarray(0, length);
    chunk = chunk.subarray(piece.length);
    return piece;
  }

  return {
    async exact(length) {
      if (chunk.length >= length) return cut(length);
      const parts: Buffer[] = [];
      let missing = length;
      while (missing > 0) {
        if (!(await more())) return undefined;
        const piece = cut(missing);
        parts.push(piece);
        missing -= piece.length;
      }
      return Buffer.concat(parts);
    },

    async *pieces(length) {
      let missing = length;
      while (missing > 0) {
        if (!(await more())) return missing;
        const piece = cut(missing);
        missing -= piece.length;
        yield piece;
      }
      return 0;
    },
  };
}
