import { dirname } from 'node:path';
import { errnoOf, KataError } from '../errors/index.ts';
import { words } from '../output/index.ts';

/** What each error of the operating system lacks, and the command that shows it. `path` is what it happened to, if it says so. */
const rows: Record<string, { needed: string; next(path: string | undefined): string }> = {
  ENOSPC: { needed: 'free space on that file system', next: (path) => `df -h ${folderOf(path)}; df -i ${folderOf(path)}` },
  EDQUOT: { needed: 'room in the quota of that file system', next: (path) => `quota; df -h ${folderOf(path)}` },
  EROFS: { needed: 'a file system that can be written', next: (path) => `findmnt -T ${folderOf(path)}` },
  EACCES: { needed: 'the permission to do it', next: (path) => `namei -l ${folderOf(path)}` },
  EPERM: { needed: 'the permission to do it', next: (path) => `lsattr -d ${folderOf(path)}` },
  EIO: { needed: 'a device that can be read and written', next: () => 'dmesg | tail' },
  EMFILE: { needed: 'more open files', next: () => 'ulimit -n' },
  ENFILE: { needed: 'more open files', next: () => 'cat /proc/sys/fs/file-nr' },
  ENOMEM: { needed: 'more memory', next: () => 'free -m' },
  ENOENT: { needed: 'that file or folder', next: (path) => `ls -ld ${folderOf(path)}` },
  ENOTDIR: { needed: 'a folder at each part of that path', next: (path) => `namei -l ${folderOf(path)}` },
  EISDIR: { needed: 'a file there', next: (path) => `ls -ld ${folderOf(path)}` },
  ELOOP: { needed: 'a path without a circle of links', next: (path) => `namei -l ${folderOf(path)}` },
};

/** `needs-root` or `failed` for an error of the operating system, with what was needed; undefined for any other error. */
export function systemFault(raw: unknown): KataError | undefined {
  const errno = errnoOf(raw);
  if (errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return undefined;
  const found = raw instanceof Error ? raw.message : String(raw);
  if ((errno === 'EACCES' || errno === 'EPERM') && process.getuid?.() !== 0) {
    return new KataError('needs-root', {
      found,
      needed: 'root, who alone may read it',
      next: 'run the command again with sudo',
      cause: raw,
    });
  }
  const { path, syscall } = raw as NodeJS.ErrnoException;
  const row = Object.hasOwn(rows, errno) ? rows[errno] : undefined;
  const what = `${syscall ?? 'the operating system'}${path === undefined ? '' : ` on ${path}`}`;
  return new KataError('failed', {
    subject: path,
    found,
    needed: row?.needed ?? `no ${errno} from ${what}`,
    next: `${row?.next(path) ?? `ls -ld ${folderOf(path)}`}; then run the command again`,
    cause: raw,
  });
}

function folderOf(path: string | undefined): string {
  return words([path === undefined ? '.' : dirname(path)]);
}
