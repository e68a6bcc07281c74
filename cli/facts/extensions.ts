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
  /** 'masked': a folder that brings nothing and hides others of its name; 'broken': every refresh fails while it is there. */
  kind: 'directory' | 'image' | 'masked' | 'broken';
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
    const released = (await host.stat(`${path}/usr/lib/extension-release.d/extension-release.${entry}`)) !== undefined;
    // systemd ignores a folder without the file of its name; before 254 that was an error for all extensions.
    const kind = released ? 'directory' : inside.length > 0 && systemd < 254 ? 'broken' : 'masked';
    return { ...base, name: entry, kind, opt: (await host.readdir(`${path}/opt`)).length > 0 };
  }
  if (image === undefined || (await host.realpath(path)) === '/dev/null') return undefined;
  return {
    ...base,
    name: image,
    kind: stat.kind === 'file' && isImage((await host.readHead(path, headBytes)) ?? Buffer.alloc(0)) ? 'image' : 'broken',
  };
}

const headBytes = 8192;

/** What the kernel or a partition table shows at a fixed place. An image with none of these makes every refresh fail for all extensions. */
const magics: { at: number; bytes: Buffer }[] = [
  { at: 0, bytes: Buffer.from('hsqs') },
  { at: 1024, bytes: Buffer.from([0xe2, 0xe1, 0xf5, 0xe0]) },
  { at: 1080, bytes: Buffer.from([0x53, 0xef]) },
  { at: 512, bytes: Buffer.from('EFI PART') },
  { at: 4096, bytes: Buffer.from('EFI PART') },
];

/** Whether the first bytes are those of a squashfs, erofs, ext4 or of a GPT. */
export function isImage(head: Buffer): boolean {
  return magics.some(({ at, bytes }) => head.subarray(at, at + bytes.length).equals(bytes));
}
