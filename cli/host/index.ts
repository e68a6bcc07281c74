export { contextsOf, isContext } from './contexts.ts';
export { holdFolder } from './held.ts';
export { inhibitShutdown } from './inhibit.ts';
export { lockedByRoot } from './kernelLocks.ts';
export { takeLock } from './lock.ts';
export { dryRunMark, type LockHolder, lockHolder } from './lockHolder.ts';
export { ownCommand } from './ownCommand.ts';
export { canLookAt, digestSeenBy, programDigest, programFile, textSeenBy } from './procRoot.ts';
export { cleanEnvironment, programs } from './programs.ts';
export { byBytes, digestOf, openView } from './reads.ts';
export { digestOfFile, fileLimits, openRegular, piecesOf, readHead, readRegular } from './regular.ts';
export { beyondStopping, interrupted, stopIfAsked, stoppable, undisturbed, unlessStopped } from './stoppable.ts';
export { isTargetActive } from './targetActive.ts';
export { readTexts } from './texts.ts';
export type {
  Digest,
  FileLabel,
  FileSystem,
  HeldFolder,
  HelperAnswer,
  Host,
  HostPath,
  HostView,
  RunOptions,
  RunResult,
  Stat,
  Watched,
  WatchOptions,
} from './types.ts';
export { openHost, tempPathFor } from './writes.ts';
