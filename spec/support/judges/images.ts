import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '../digests.ts';

/** What an image has at a path, as `inspect -v --json` and the judges below say it. */
export interface Seen {
  path: string;
  kind: string;
  mode: number;
  digest?: string;
  target?: string;
}

/** An entry of an image's manifest. */
export type Content = Seen & { context: string; sizeBytes?: number; sha1?: string };

/** The manifest's entries without what `treeSeen` does not see. */
export function seenOf(contents: Content[]): Seen[] {
  return contents.map(({ context: _, sizeBytes: _bytes, sha1: _sha1, ...entry }) => entry);
}

/** The manifest's labels as `labelsSeen` gives them. */
export function labelsOf(contents: Content[]): Map<string, string> {
  return new Map([['.', 'system_u:object_r:usr_t:s0'], ...contents.map(({ path, context }): [string, string] => [path, context])]);
}

const kinds: Record<string, string> = { f: 'file', d: 'directory', l: 'symlink' };

/** All below a folder but itself, by find and sha256sum, sorted by path. */
export function treeSeen(folder: string): Seen[] {
  const run = (script: string) => execFileSync('sh', ['-ec', script], { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 26 });
  const digests = new Map(
    run('find . -type f -exec sha256sum {} +')
      .trim()
      .split('\n')
      .map((line) => [line.slice(68), `sha256:${line.slice(0, 64)}`]),
  );
  const rows = run(`find . -mindepth 1 -printf '%P\\t%y\\t%m\\t%l\\n'`).trim().split('\n');
  return rows
    .map((row): Seen => {
      const [path = '', type = '', mode = '', target = ''] = row.split('\t');
      const digest = digests.get(path);
      const more = { ...(digest === undefined ? {} : { digest }), ...(target === '' ? {} : { target }) };
      return { path, kind: kinds[type] ?? type, mode: Number.parseInt(mode, 8), ...more };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The SELinux labels below a folder, '.' for itself, by getfattr. Throws where something has none. */
export function labelsSeen(folder: string): Map<string, string> {
  const text = execFileSync('getfattr', ['-Rhn', 'security.selinux', '.'], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return new Map([...text.matchAll(/^# file: (.*)\n[^=\n]*="([^"\\]*)/gm)].map(([, path, context]) => [path!, context!]));
}

/** Owners, groups and times below a folder, each once. */
export function ownersAndTimes(folder: string): string[] {
  const text = execFileSync('find', ['.', '-printf', '%U:%G %Ts\\n'], { cwd: folder, encoding: 'utf8' });
  return [...new Set(text.trim().split('\n'))];
}

/** What dump.erofs tells of an entry. */
interface Dumped {
  path: string;
  kind: string;
  mode: number;
  owner: string;
  sizeBytes: number;
  /** What the labels take: no version prints them. */
  xattrBytes: number;
}

const dumped =
  /^(?:File|Path) : \/(?<path>[^\n]*)\nSize: (?<size>\d+) .*? (?<type>regular|directory|symlink)\b.*?Xattr size: (?<xattr>\d+)\nUid: (?<uid>\d+) +Gid: (?<gid>\d+) +Access: (?<mode>\d+)\//s;
const dumpedKinds: Record<string, string> = { regular: 'file' };

/** The command that dumps entries of an erofs image, for `dumpedEntries`. */
export function dumpingErofs(image: string, paths: string[]): [string, ...string[]] {
  return ['sh', '-ec', 'image=$1; shift; for path; do dump.erofs --path="/$path" "$image"; done', 'sh', image, ...paths];
}

/** What it printed. An entry that is not there is left out: dump.erofs ends with 0 all the same. */
function dumpedEntries(text: string): Dumped[] {
  return text
    .split(/^(?=(?:File|Path) : )/m)
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const found = dumped.exec(part)?.groups as Record<'path' | 'size' | 'type' | 'xattr' | 'uid' | 'gid' | 'mode', string> | undefined;
      if (found === undefined) throw new Error(`dump.erofs printed: ${part}`);
      return {
        path: found.path,
        kind: dumpedKinds[found.type] ?? found.type,
        mode: Number.parseInt(found.mode, 8),
        owner: `${found.uid}:${found.gid}`,
        sizeBytes: Number(found.size),
        xattrBytes: Number(found.xattr),
      };
    });
}

/** Throws where an entry of the manifest is another one in the image, by what dump.erofs printed. */
export function assertDumped(text: string, contents: Content[]): void {
  const seen = dumpedEntries(text);
  assert.deepEqual(
    seen.map(({ path, kind, mode, owner }) => ({ path, kind, mode, owner })),
    contents.map(({ path, kind, mode }) => ({ path, kind, mode, owner: '0:0' })),
  );
  for (const [index, { path, kind, context, target, sizeBytes = 0 }] of contents.entries()) {
    const { sizeBytes: bytes, xattrBytes } = seen[index]!;
    const { shared, own } = labelBytes(context);
    if (kind !== 'directory') assert.equal(bytes, target === undefined ? sizeBytes : Buffer.byteLength(target), path);
    assert.ok([shared, own].includes(xattrBytes), `${path}: ${xattrBytes} bytes of xattrs, not ${shared} or ${own}`);
  }
}

/**
 * Bytes of the xattrs of an entry whose only one is this label (struct erofs_xattr_ibody_header and erofs_xattr_entry of the kernel's
 * erofs_fs.h): a head of 12, then one reference of 4 to a label that many have, or the entry itself: 4, the name behind `security.`, the
 * label with its NUL, filled up to 4.
 */
function labelBytes(context: string): { shared: number; own: number } {
  const entry = 4 + 'selinux'.length + Buffer.byteLength(context) + 1;
  return { shared: 12 + 4, own: 12 + Math.ceil(entry / 4) * 4 };
}

export function whileMounted<T>(format: string, image: string, work: (at: string) => T): T {
  const at = mkdtempSync(join(tmpdir(), 'kata-sysext-image-'));
  execFileSync('mount', ['-t', format, '-o', 'ro,loop', image, at]);
  try {
    return work(at);
  } finally {
    execFileSync('umount', [at]);
    rmSync(at, { recursive: true });
  }
}

/** Unpacks an image with the tools of its file system, without mounting it. */
export function unpacked<T>(format: string, image: string, work: (at: string) => T): T {
  const at = mkdtempSync(join(tmpdir(), 'kata-sysext-image-'));
  const tree = join(at, 'tree');
  try {
    if (format === 'squashfs') execFileSync('unsquashfs', ['-quiet', '-no-progress', '-d', tree, image], { stdio: 'ignore' });
    else execFileSync('fsck.erofs', [`--extract=${tree}`, image], { stdio: 'ignore' });
    return work(tree);
  } finally {
    rmSync(at, { recursive: true });
  }
}

/** The image's manifest, and where the file system ends and the manifest begins. */
export function manifestIn<T extends object>(bytes: Buffer): { manifest: T; start: number } {
  const [, start, length] = /kata-sysext-image 1 (\d+) (\d+) /.exec(bytes.subarray(-256).toString('latin1'))!;
  return { manifest: JSON.parse(bytes.subarray(Number(start), Number(start) + Number(length)).toString()) as T, start: Number(start) };
}

/** A file system with this manifest behind it, and the end that tells its place, length and digest. */
export function withManifest(filesystem: Buffer, manifest: object): Buffer {
  const json = Buffer.from(JSON.stringify(manifest));
  const end = Buffer.alloc(256);
  end.write(`kata-sysext-image 1 ${filesystem.length} ${json.length} sha256:${sha256(json)}\n`);
  return Buffer.concat([filesystem, json, end]);
}

/**
 * An image whose file system was made anew after `edit` changed its tree. Its manifest is the honest one but for the length and digest of
 * the file system, so that nothing but its contents is wrong.
 */
export function repacked(image: Buffer, edit: (tree: string) => void): Buffer {
  const at = mkdtempSync(join(tmpdir(), 'kata-sysext-repacked-'));
  try {
    const [file, tree, made] = ['image', 'tree', 'made'].map((name) => join(at, name)) as [string, string, string];
    writeFileSync(file, image);
    execFileSync('unsquashfs', ['-quiet', '-no-progress', '-no-xattrs', '-d', tree, file], { stdio: 'ignore' });
    edit(tree);
    execFileSync('mksquashfs', [tree, made, '-quiet', '-no-progress', '-all-root', '-comp', 'zstd'], { stdio: 'ignore' });
    const filesystem = readFileSync(made);
    const { manifest } = manifestIn(image);
    return withManifest(filesystem, { ...manifest, filesystem: { sizeBytes: filesystem.length, digest: `sha256:${sha256(filesystem)}` } });
  } finally {
    rmSync(at, { recursive: true });
  }
}
