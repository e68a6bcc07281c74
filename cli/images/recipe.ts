import type { Digest } from '../host/types.ts';
import { rootContext } from './contents.ts';
import type { ImageFormat, Labelled } from './types.ts';

/** What is to be made of which tree. Paths are real ones of this machine. */
export interface RecipeRequest {
  tree: string;
  image: string;
  contents: Labelled[];
  /** Seconds: the time of everything in the image. */
  epoch: number;
  payload: Digest;
  /** Version of the program that makes it: [4, 6]. */
  version: number[];
  /** Where a file of `Recipe.files` will lie. */
  at(name: string): string;
}

/** One run of a program that makes an image, the same bytes each time. */
export interface Recipe {
  args: string[];
  /** Texts that it reads, by name. */
  files: Record<string, string>;
  /** The program takes no labels: they must be set on the tree's own files before it runs. */
  labelTree: boolean;
}

/** Level 6 of zstd: 3 is a third faster and makes an image 4 % larger; 15, the default, takes ten times as long for 2 % less. */
const squashfsCompression = ['-comp', 'zstd', '-Xcompression-level', '6'];

/**
 * From this version on mksquashfs takes xattrs from a list, and leaves out those of the tree (squashfs-tools 4.6, `x` lines of pseudo
 * files).
 */
const listedSince = [4, 6];

const recipes: Record<ImageFormat, (request: RecipeRequest) => Recipe> = { squashfs, erofs };

export function recipeFor(format: ImageFormat, request: RecipeRequest): Recipe {
  return recipes[format](request);
}

function squashfs({ tree, image, contents, epoch, version, at }: RecipeRequest): Recipe {
  const times = ['-all-time', String(epoch), '-mkfs-time', String(epoch)];
  const args = [tree, image, '-noappend', '-no-progress', '-quiet', '-all-root', ...squashfsCompression, ...times];
  if (isOlder(version, listedSince)) return { args, files: {}, labelTree: true };
  const lines = [
    `/ x security.selinux=${rootContext}`,
    ...contents.map(({ path, context }) => `${quoted(path)} x security.selinux=${context}`),
  ];
  // Without the exclusion a label that the tree has already is an error.
  return { args: [...args, '-xattrs-exclude', '.', '-pf', at('labels')], files: { labels: `${lines.join('\n')}\n` }, labelTree: false };
}

/** lz4 for random reads; without bigger clusters and newer algorithms, so that kernel 5.4 and erofs-utils 1.5 can do it. */
function erofs({ tree, image, contents, epoch, payload, at }: RecipeRequest): Recipe {
  const args = [
    '-zlz4',
    '-T',
    String(epoch),
    '-U',
    uuidOf(payload),
    '--all-root',
    '--quiet',
    `--file-contexts=${at('contexts')}`,
    image,
    tree,
  ];
  const lines = [`/\t${rootContext}`, ...contents.map(({ path, context }) => `/${pattern(path)}\t${context}`)];
  return { args, files: { contexts: `${lines.join('\n')}\n` }, labelTree: false };
}

function isOlder(version: number[], than: number[]): boolean {
  const [a, b] = [version, than].map(([major = 0, minor = 0]) => major * 1000 + minor) as [number, number];
  return a < b;
}

/** A path in a list of mksquashfs. */
function quoted(path: string): string {
  return `"${path.replace(/["\\]/g, '\\$&')}"`;
}

/** A path as a pattern of file_contexts(5): white space ends a field there, and what is not ASCII is refused. */
function pattern(path: string): string {
  return [...Buffer.from(path)]
    .map((byte) => (/[\w/-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : escapeByte(byte)))
    .join('');
}

function escapeByte(byte: number): string {
  return byte <= 0x20 || byte >= 0x7f ? '.' : `\\${String.fromCharCode(byte)}`;
}

/** A UUID of version 8 (RFC 9562): made from the digest. */
function uuidOf(payload: Digest): string {
  const hex = payload.slice('sha256:'.length);
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}
