import type { Systemd } from '../systemd/types.ts';

/** An absolute path as the host sees it ('/etc/containerd/config.toml'), whatever the root directory is. */
export type HostPath = string;

/** 'sha256:' and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`;

/** What a file is read as: each has its largest size. */
export type FileKind = 'os-release' | 'signature' | 'credentials' | 'request' | 'configuration' | 'state';

/**
 * A folder by its descriptor. Node has no openat(2); a path through /proc/self/fd is the same: it stays the same folder also where another
 * program moves it away or replaces it by a link.
 */
export interface HeldFolder {
  fd: number;
  /** '/proc/self/fd/N': for names in it, not for programs (each has its own /proc/self). */
  path: string;
  /** As people know it. */
  real: string;
  sync(): Promise<void>;
  close(): void;
}

export interface Stat {
  kind: 'file' | 'directory' | 'symlink' | 'other';
  sizeBytes: number;
  /** Permission bits and set-id bits: 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  inode: number;
  device: number;
  links: number;
  modifiedMs: number;
  /** Of the last change of any kind (ctime): no program can set it back. */
  changedMs: number;
}

export interface FileSystem {
  /** Equal for all paths of one file system, whatever subvolume or mount they are seen through. */
  id: string;
  /** The folder from which on it is seen, as the host names it. */
  point: HostPath;
  /** False where a tree lies on a file system of the machine around it. */
  whole: boolean;
  sizeBytes: number;
  /** For others than root: what kubelet counts. */
  freeBytes: number;
  blockBytes: number;
  /** 0 where the file system does not count them. */
  inodes: number;
  freeInodes: number;
}

export interface FileLabel {
  /** undefined where the file has none. */
  found?: string | undefined;
  /** undefined where the policy has no rule for the path. */
  stock?: string | undefined;
}

export interface RunOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
  cwd?: string;
  /** Descriptors that the program gets as its 3, 4, …: '/proc/self/fd/3/NAME' is a name in the first of these folders. */
  descriptors?: number[];
  timeoutMs?: number;
  /** Kills the program, with all that it started, when it is raised. */
  signal?: AbortSignal;
  /** Exit codes that are no error (default: only 0). */
  accept?: number[];
  /**
   * Its output comes through a pipe of a shell in place of Node's socket: for a program that the policy runs in a domain of its own. The policies
   * let such a domain use its caller's pipes and not its sockets, so that it loses its words there, with a denial (kmod_t, Debian's policy).
   */
  throughPipe?: boolean;
}

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface WatchOptions {
  deadlineMs: number;
  signal?: AbortSignal | undefined;
  /** Small files for it, by name, readable by root only, in the folder where it runs. */
  files?: Record<string, string>;
  /** Called for each piece of its output ('out' as latin1, byte for byte), and ten times a second with '' from the clock; true ends it. */
  enough(from: 'out' | 'err' | 'clock', text: string, milliseconds: number): boolean;
}

export interface Watched {
  /** It ended by itself, or why kata-sysext ended it. */
  reason: 'ended' | 'enough' | 'late' | 'aborted';
  /** 128 + N for a death by signal N. */
  status: number;
  milliseconds: number;
}

export interface HelperOptions {
  args?: string[];
  deadlineMs: number;
}

/** What became of a helper: its first line and its status (128 + N for a death by signal N), or why there is none. */
export type HelperAnswer = { kind: 'ended'; status: number; line: string } | { kind: 'late' } | { kind: 'unstarted'; why: string };

/** How a root is looked at. */
export interface HostAs {
  /**
   * The host boots, and what is changed now the engine will find when it starts; PID 1 is asked nothing, because its answer might wait for
   * this boot phase.
   */
  starting?: boolean;
  /** The tree of an OS image, also where it is the root of a container that builds it: paths below `from` are below `to` there. */
  image?: { from: HostPath; to: HostPath };
}

/** The reading half of the port. Planners get only this by type. No path leads out of the root: links are resolved inside it. */
export interface HostView {
  /** '/' or the directory of `--root`. */
  readonly root: string;
  /** True when the root is '/' and its units may be asked: then there are an engine and a bus. */
  readonly live: boolean;
  /** True when the root is '/', also while it starts: its kernel, its mounts and its programs are those that will run. */
  readonly booted: boolean;
  /** True when the root is the tree of an OS image: kata-sysext's state is a part of it, and its /var has nothing of kata-sysext. */
  readonly image: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  now(): Date;

  /** The real path of `path` on this machine, its parents' links resolved inside the root, its own last component not followed. */
  locate(path: HostPath): Promise<string>;
  /** The same as a host path: parents' links resolved, the last component not followed. */
  resolve(path: HostPath): Promise<HostPath>;
  /** The host path after following all links inside the root; the path need not exist. */
  realpath(path: HostPath): Promise<HostPath>;
  /** undefined when nothing is there. Does not follow the last component. */
  lstat(path: HostPath): Promise<Stat | undefined>;
  /** undefined when nothing is there or a link dangles. */
  stat(path: HostPath): Promise<Stat | undefined>;
  /**
   * Throws ENOENT as Node does, and `host-file-unfit` for what is no regular file or larger than a file of this kind is (default: state).
   * Follows links inside the root.
   */
  readFile(path: HostPath, kind?: FileKind): Promise<Buffer>;
  /** The same; undefined when nothing is there. */
  readText(path: HostPath, kind?: FileKind): Promise<string | undefined>;
  /** The first bytes of a file, fewer where it has fewer; undefined when nothing is there. Throws `host-file-unfit`. */
  readHead(path: HostPath, bytes: number): Promise<Buffer | undefined>;
  readlink(path: HostPath): Promise<string | undefined>;
  /** Names in byte order; empty when the folder is not there. */
  readdir(path: HostPath): Promise<string[]>;
  digest(path: HostPath): Promise<Digest | undefined>;
  /**
   * The SELinux labels of exactly these paths, links not followed: as they are, and as the host's own file contexts have them. undefined
   * without a policy. Throws `host-program-missing`.
   */
  labelsOf(paths: HostPath[]): Promise<Map<HostPath, FileLabel> | undefined>;
  /** False when the file system of `path` is read-only; whose the file is does not matter here. */
  canWrite(path: HostPath): Promise<boolean>;
  /** Free bytes of the file system that holds the nearest existing parent of `path`. */
  freeBytes(path: HostPath): Promise<number>;
  /** The file system that holds the nearest existing parent of `path`, as it is now. */
  fileSystem(path: HostPath): Promise<FileSystem>;

  /** Runs a program of the table in `programs.ts` (or one by absolute path) on this machine; throws a KataError with its output when it fails. */
  run(program: string, args: string[], options?: RunOptions): Promise<RunResult>;
  /** Runs a program by absolute path and looks on, in a private folder that goes with it; nothing of it outlives the call: see `watched.ts`. */
  watch(path: string, args: string[], options: WatchOptions): Promise<Watched>;
  /** Runs a small program that this one carries inside, where the machine lets programs run, until it ends or is late: see `helper.ts`. */
  helper(program: Buffer, options: HelperOptions): Promise<HelperAnswer>;
  /** True when the program of the table is on this machine. */
  has(program: string): Promise<boolean>;
  /** systemd of the live host; undefined offline or where no bus answers. */
  systemd(): Promise<Systemd | undefined>;
  /** As `systemd`, but while the host boots as well: then PID 1's own socket alone is asked, and nothing may wait for a unit. */
  manager(): Promise<Systemd | undefined>;
  /** Ends the connection to systemd, if one was made. */
  close(): Promise<void>;
}

export interface FileMeta {
  mode: number;
  uid?: number;
  gid?: number;
}

/** The writing half. Only `store/` and `transaction/` receive it. Every call is durable when it returns: data, then folder. */
export interface Host extends HostView {
  /** Makes one folder; the parent must exist. */
  mkdir(path: HostPath, mode: number): Promise<void>;
  /** Writes through a synced temporary file `via` on the same file system (default: beside it), then renames it into place. */
  writeFile(path: HostPath, bytes: Buffer | string, meta: FileMeta, via?: HostPath): Promise<void>;
  /** The same, but owner, mode, times and every xattr come from the file `like` (default: the file that is replaced). */
  replaceFile(path: HostPath, bytes: Buffer | string, via: HostPath, like?: HostPath): Promise<void>;
  /** Copies a file of this machine (a real path), whatever is at `path`; only its bytes. Not atomic: the caller renames it into place. */
  copyIn(file: string, path: HostPath, mode: number): Promise<void>;
  /** Makes or atomically replaces a symlink. */
  symlink(path: HostPath, target: string): Promise<void>;
  rename(from: HostPath, to: HostPath): Promise<void>;
  setModified(path: HostPath, modifiedMs: number): Promise<void>;
  unlink(path: HostPath): Promise<void>;
  rmdir(path: HostPath): Promise<void>;
  /** Removes a whole tree, without following links. Nothing happens when it is not there. */
  removeTree(path: HostPath): Promise<void>;
  /** Gives these paths, and all below them, the labels of the host's own policy; nothing happens (false) without SELinux. */
  relabel(paths: HostPath[]): Promise<boolean>;
  /** SELinux contexts of all files below a folder, by host path; one process. */
  labels(folder: HostPath): Promise<Map<HostPath, string>>;
  /** Sets contexts; one process. Each type must be known to the policy: see `knowsType`. */
  setLabels(labels: Map<HostPath, string>): Promise<void>;
  /** Whether the loaded policy (offline: the tree's) has this type. */
  knowsType(type: string): Promise<boolean>;
  /**
   * A folder by its descriptor, for what writes many files below it: `path` leads there whatever becomes of its name. Throws `path-escapes`
   * where a link came into its way. Close it.
   */
  hold(path: HostPath): Promise<HeldFolder>;
  /** Runs work with programs that take paths: the folders of these paths are the same before and after. Throws `path-escapes`. */
  steady<T>(paths: HostPath[], work: (...real: string[]) => Promise<T>): Promise<T>;
  /** Syncs what few files and folders are below `path`, and nothing else of its file system. */
  syncTree(path: HostPath): Promise<void>;
  /** Syncs the whole file system that holds `path`. */
  syncFileSystem(path: HostPath): Promise<void>;
  /** Stops here when the environment names this point (specs only): see `writes.ts`. */
  failpoint(name: string): Promise<void>;
}
