import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What an image has at a path, as `inspect -v --json` and the judges below say it. */
export interface Seen {
  path: string;
  kind: string;
  mode: number;
  digest?: string;
  target?: string;
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

/** The SELinux labels below a folder, '.' for itself, by getfattr. */
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
export interface Dumped {
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

/** Entries of an erofs image by `dump.erofs --path`, in the order of the paths. It ends with 0 also for a path that is not there. */
export function dumpedErofs(image: string, paths: string[]): Dumped[] {
  return paths.map((path) => {
    const text = execFileSync('dump.erofs', [`--path=/${path}`, image], { encoding: 'utf8', stdio: 'pipe' });
    const found = dumped.exec(text)?.groups as Record<'path' | 'size' | 'type' | 'xattr' | 'uid' | 'gid' | 'mode', string> | undefined;
    if (found === undefined) throw new Error(`dump.erofs of /${path} printed: ${text}`);
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

/**
 * Bytes of the xattrs of an entry whose only one is this label (struct erofs_xattr_ibody_header and erofs_xattr_entry of the kernel's
 * erofs_fs.h): a head of 12, then one reference of 4 to a label that many have, or the entry itself: 4, the name behind `security.`, the
 * label with its NUL, filled up to 4.
 */
export function labelBytes(context: string): { shared: number; own: number } {
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

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
