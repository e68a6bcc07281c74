const stem = Buffer.from('containerd.task.v');
const rest = /^(\d{1,2})\.Task/;
const restBytes = '99.Task'.length;
const overlapBytes = stem.length + restBytes - 1;

export interface ServiceReader {
  /** Any piece of the executable, in order. */
  add(piece: Buffer): void;
  /** Ascending. */
  versions(): number[];
}

/**
 * Finds in a stream of an executable's bytes which versions of containerd's task service it has: every shim registers it by its name,
 * `containerd.task.v2.Task`. That holds for Go and Rust, and for binaries without symbols; Go's build information would not do, because
 * Debian's builds name no modules in it. Holds 24 bytes, whatever the stream says.
 */
export function taskServices(): ServiceReader {
  const found = new Set<number>();
  let tail: Buffer = Buffer.alloc(0);
  return {
    add(piece) {
      look(Buffer.concat([tail, piece.subarray(0, overlapBytes)]), found);
      look(piece, found);
      tail =
        piece.length >= overlapBytes ? Buffer.from(piece.subarray(-overlapBytes)) : Buffer.concat([tail, piece]).subarray(-overlapBytes);
    },
    versions: () => [...found].sort((a, b) => a - b),
  };
}

function look(bytes: Buffer, found: Set<number>): void {
  for (let at = bytes.indexOf(stem); at !== -1; at = bytes.indexOf(stem, at + stem.length)) {
    const after = at + stem.length;
    const version = rest.exec(bytes.toString('latin1', after, after + restBytes))?.[1];
    if (version !== undefined) found.add(Number(version));
  }
}
