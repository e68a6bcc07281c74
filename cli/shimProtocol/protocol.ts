import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import { engineNamed, type ShimProtocol } from '../engines/index.ts';

type MixesRow = ShimProtocol['mixes'][number];

interface ProtocolTable {
  families: Partial<Record<'go' | 'rust', { protocol: number }>>;
}

const table = parseJson(asset('overlays/shimProtocols.json')) as ProtocolTable;

/**
 * The version of containerd's shim protocol that a shim speaks, by the task services that its executable has; where they do not show it, by
 * its family. undefined when neither shows it, or when it has several.
 */
export function protocolOf(services: number[], family: 'go' | 'rust'): number | undefined {
  return services.length === 0 ? table.families[family]?.protocol : services.length === 1 ? services[0] : undefined;
}

/** The newest version that an engine speaks; undefined when that depends on a version of the engine that is not known. */
export function newestSpoken(engine: string, version: string | undefined): number | undefined {
  const rows = rowsOf(engine).speaks.filter((row) => covers(row, version) !== false);
  return rows.length === 1 ? rows[0]!.protocol : undefined;
}

/** The first version of the engine that speaks a protocol; undefined when none does. */
export function firstThatSpeaks(engine: string, protocol: number): string | undefined {
  return rowsOf(engine).speaks.find((row) => row.protocol >= protocol)?.from;
}

/** Whether a restart of the engine forgets the containers in sandboxes of such a shim. Of an unknown version it is not said. */
export function forgets(engine: string, version: string | undefined, protocol: number): boolean {
  return rowsOf(engine).forgets.some((row) => covers(row, version) === true && row.protocols.includes(protocol));
}

/** The row that forbids a shim of version `next` while sandboxes of version `running` are there. */
export function mixing(engine: string, version: string | undefined, running: number, next: number): MixesRow | undefined {
  return rowsOf(engine).mixes.find((row) => covers(row, version) === true && row.running === running && row.next === next);
}

/** Of an engine that is not known nothing is said. */
function rowsOf(engine: string): ShimProtocol {
  return engineNamed(engine)?.shimProtocol ?? { speaks: [], forgets: [], mixes: [] };
}

/** undefined: that depends on the version, which is not known, or not to its last number. */
function covers({ from, below }: { from?: string; below?: string }, version: string | undefined): boolean | undefined {
  if (from === undefined && below === undefined) return true;
  const ends = [0, Number.POSITIVE_INFINITY].map((patch) => numbersOf(version, patch));
  const [first, last] = ends.map((end) => end && isFrom(end, from) && !(below !== undefined && isFrom(end, below)));
  return first === last ? first : undefined;
}

/** 'v2.1' and '1.7.24~ds1' as three numbers; `patch` where the text has but two. */
function numbersOf(version: string | undefined, patch: number): number[] | undefined {
  const match = /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(version ?? '');
  return match === null ? undefined : [Number(match[1]), Number(match[2]), match[3] === undefined ? patch : Number(match[3])];
}

function isFrom(numbers: number[], bound: string | undefined): boolean {
  const wanted = bound === undefined ? undefined : numbersOf(bound, 0);
  const at = numbers.findIndex((part, index) => wanted !== undefined && part !== wanted[index]);
  return at === -1 || numbers[at]! > wanted![at]!;
}

const stem = Buffer.from('containerd.task.v');
const rest = /^(\d{1,2})\.Task/;
const restBytes = '99.Task'.length;
const overlapBytes = stem.length + restBytes - 1;

interface ServiceReader {
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
