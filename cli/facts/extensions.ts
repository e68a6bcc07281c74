import { lazy } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { listOf, misfitOf, type Shape, tableOf, text } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';

/** What systemd-sysext has merged into one hierarchy. */
export interface Merged {
  hierarchy: HostPath;
  /** Names in systemd's order. */
  names: string[];
  /** Milliseconds since the epoch; 0 when nothing is merged. */
  sinceMs: number;
}

/** An extension in the folders that systemd-sysext searches: the one that counts for its name. */
export interface Extension {
  name: string;
  path: HostPath;
  /**
   * 'masked': a folder that brings nothing and hides others of its name; 'broken': every refresh fails while it is there; 'unknown': whether
   * systemd merges it, ignores it or fails cannot be told from here.
   */
  kind: 'directory' | 'image' | 'masked' | 'broken' | 'unknown';
  /** A folder that brings something below /opt. What an image brings is not known before it is merged. */
  opt: boolean;
  modifiedMs: number;
}

/** The answer of `systemd-sysext status --json=short`. An unmerged hierarchy has "none" (252 to 257) or [] (262) for its extensions. */
export function parseStatus(text: string): Merged[] {
  const rows = asRows(text);
  return rows.map(({ hierarchy, extensions, since }) => ({
    hierarchy,
    names: Array.isArray(extensions) ? extensions : [],
    sinceMs: typeof since === 'number' ? since / 1000 : 0,
  }));
}

interface Row {
  hierarchy: string;
  extensions: string | string[];
  since?: unknown;
}

const rowsShape: Shape<Row[]> = listOf(
  tableOf({
    hierarchy: text,
    extensions: lazy((value) => (Array.isArray(value) ? listOf(text) : text) as Shape<string | string[]>),
  }),
);

function asRows(text: string): Row[] {
  try {
    const value = parseJson(text);
    if (misfitOf(rowsShape, value) === undefined) return value as Row[];
  } catch {
    // Said below.
  }
  throw new KataError('failed', {
    subject: 'systemd-sysext',
    found: `systemd-sysext status says something else than its JSON: ${text.slice(0, 200)}`,
    needed: 'a list with one object a hierarchy',
    next: 'systemd-sysext status --json=short',
  });
}

/** What is merged now. Only a live host can tell. */
export async function mergedExtensions(host: HostView): Promise<Merged[]> {
  const { stdout } = await host.run('systemd-sysext', ['status', '--json=short'], { timeoutMs: 30_000 });
  return parseStatus(stdout);
}

const searchFolders = ['/etc/extensions', '/run/extensions', '/var/lib/extensions'];
/** Searched as well before systemd 254. */
const olderFolders = ['/usr/local/lib/extensions', '/usr/lib/extensions'];

/**
 * The extensions that a refresh would look at. The first folder wins a name, so that a folder with nothing in it masks the name in later
 * ones. A link to /dev/null masks nothing (tried on 257 and 262, whatever the manual says): systemd ignores it, as any other file.
 */
export async function findExtensions(host: HostView, systemd: number): Promise<Extension[]> {
  const found = new Map<string, Extension>();
  for (const folder of systemd < 254 ? [...searchFolders, ...olderFolders] : searchFolders) {
    for (const entry of await host.readdir(folder)) {
      const extension = await look(host, `${folder}/${entry}`, entry, systemd);
      if (extension !== undefined && !found.has(extension.name)) found.set(extension.name, extension);
    }
  }
  return [...found.values()];
}

async function look(host: HostView, path: HostPath, entry: string, systemd: number): Promise<Extension | undefined> {
  const stat = await host.stat(path);
  // systemd ignores a dangling link, and every file that is no image.
  if (stat === undefined) return undefined;
  const base = { path, modifiedMs: stat.modifiedMs, opt: false };
  const image = /^(.+?)(?:\.sysext)?\.raw$/.exec(entry)?.[1];
  if (stat.kind === 'directory') {
    // Versions of one extension; systemd picks the newest.
    const picked = /^(.+?)(?:(?:\.sysext)?\.raw)?\.v$/.exec(entry)?.[1];
    if (picked !== undefined) return { ...base, name: picked, kind: 'image' };
    const inside = await host.readdir(path);
    const folderKind = await kindOfFolder(host, path, { entry, systemd, empty: inside.length === 0 });
    return { ...base, name: entry, kind: folderKind, opt: (await host.readdir(`${path}/opt`)).length > 0 };
  }
  if (image === undefined || (await host.realpath(path)) === '/dev/null') return undefined;
  const kind = stat.kind === 'file' ? kindOfImage((await host.readHead(path, headBytes)) ?? Buffer.alloc(0)) : 'broken';
  return { ...base, name: image, kind };
}

/** systemd ignores a folder without the file of its name; before 254 that was an error for all extensions. */
async function kindOfFolder(
  host: HostView,
  path: HostPath,
  { entry, systemd, empty }: { entry: string; systemd: number; empty: boolean },
): Promise<Extension['kind']> {
  const releases = `${path}/usr/lib/extension-release.d`;
  if ((await host.stat(`${releases}/extension-release.${entry}`)) !== undefined) return 'directory';
  // With an extended attribute, which is not read here, a file of any name counts (docs/facts/systemd.md#names-and-architectures).
  if ((await host.readdir(releases)).some((name) => name.startsWith('extension-release.'))) return 'unknown';
  return !empty && systemd < 254 ? 'broken' : 'masked';
}

/** What the file systems and partition tables that systemd dissects show at a fixed place (docs/facts/systemd.md#images). */
const magics: { at: number; bytes: Buffer }[] = [
  { at: 0, bytes: Buffer.from('hsqs') },
  { at: 0, bytes: Buffer.from('XFSB') },
  { at: 1024, bytes: Buffer.from([0xe2, 0xe1, 0xf5, 0xe0]) },
  { at: 1024, bytes: Buffer.from([0x10, 0x20, 0xf5, 0xf2]) },
  { at: 1080, bytes: Buffer.from([0x53, 0xef]) },
  { at: 65600, bytes: Buffer.from('_BHRfS_M') },
  { at: 512, bytes: Buffer.from('EFI PART') },
  { at: 4096, bytes: Buffer.from('EFI PART') },
];
const headBytes = Math.max(...magics.map(({ at, bytes }) => at + bytes.length));
/** A loop device has whole sectors. */
const sectorBytes = 512;

/**
 * By its first bytes: 'image' for what systemd may dissect, 'broken' for what can hold no file system. An image that systemd cannot read makes
 * every refresh fail for all extensions; which others it reads is for its version to say.
 */
export function kindOfImage(head: Buffer): 'image' | 'broken' | 'unknown' {
  if (magics.some(({ at, bytes }) => head.subarray(at, at + bytes.length).equals(bytes))) return 'image';
  if (head.length < sectorBytes || head.every((byte) => byte === 0)) return 'broken';
  return isFat(head) || hasPartitions(head) ? 'image' : 'unknown';
}

function hasBootSignature(head: Buffer): boolean {
  return head[510] === 0x55 && head[511] === 0xaa;
}

/** FAT12 and FAT16 have their name at another place than FAT32. */
function isFat(head: Buffer): boolean {
  return hasBootSignature(head) && [54, 82].some((at) => head.subarray(at, at + 3).toString('latin1') === 'FAT');
}

/** The four entries of an MBR: each is bootable (0x80) or not (0), and one has a type. */
function hasPartitions(head: Buffer): boolean {
  const entries = [446, 462, 478, 494].map((at) => head.subarray(at, at + 16));
  const plain = entries.every(([status]) => status === 0 || status === 0x80);
  return hasBootSignature(head) && plain && entries.some((entry) => entry[4] !== 0);
}
