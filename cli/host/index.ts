export { inhibitShutdown } from './inhibit.ts';
export { hasKernelLock } from './kernelLocks.ts';
export { isLocked, type Lock, takeLock } from './lock.ts';
export { findProgram, programs } from './programs.ts';
export { hasReached } from './reached.ts';
export { byBytes, digestOf, digestOfFile, openView } from './reads.ts';
export { digestSeenBy, programDigest, programFile, textSeenBy } from './throughProc.ts';
export type {
  Digest,
  FileMeta,
  FileSystem,
  Host,
  HostAs,
  HostPath,
  HostView,
  RunOptions,
  RunResult,
  Stat,
  Watched,
  WatchOptions,
} from './types.ts';
export { beside, openHost } from './writes.ts';
