export { contextsOf, isContext } from './contexts.ts';
export { type HeldFolder, holdFolder, withFolders } from './held.ts';
export { inhibitShutdown } from './inhibit.ts';
export { lockedByRoot } from './kernelLocks.ts';
export { type Lock, type LockWait, takeLock } from './lock.ts';
export { dryRunMark, type LockHolder, lockHolder } from './lockHolder.ts';
export { ownCommand } from './ownCommand.ts';
export { digestSeenBy, programDigest, programFile, textSeenBy } from './procRoot.ts';
export { cleanEnvironment, findProgram, programs } from './programs.ts';
export { byBytes, digestOf, openView } from './reads.ts';
export { digestOfFile, type FileKind, fileLimits, openRegular, piecesOf, readHead, readRegular } from './regular.ts';
export { beyondStopping, interrupted, stopIfAsked, stoppable, undisturbed, unlessStopped } from './stoppable.ts';
export { isTargetActive } from './targetActive.ts';
export { readTexts } from './texts.ts';
export type {
  Digest,
  FileLabel,
  FileMeta,
  FileSystem,
  HelperAnswer,
  HelperOptions,
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
export { openHost, tempPathFor } from './writes.ts';
