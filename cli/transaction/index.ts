export { markedChange } from './changeMarker.ts';
export { entryFolder, isCommitted, openEntries, readableEntries, readIntent, reservedBytes } from './journal.ts';
export { isOurMount, mountsOnUsr, overlaidPayload, overlaySource } from './mount.ts';
export { openHere, parkedGenerations, plannedRecovery, type Recovered, recover } from './recover.ts';
export { mergedPayload, mountsBelowUsr, othersIn, pendingNames } from './refresh.ts';
export { type Gate, runTransaction } from './run.ts';
export { describe } from './steps/index.ts';
export type {
  Afterwards,
  FileStep,
  Intent,
  LayerStep,
  ModulesStep,
  MountStep,
  Outcome,
  PointerStep,
  RestartStep,
  Step,
} from './types.ts';
export { bringUp, dependentsOf, keptDownBy, restartDeadlineMs } from './units.ts';
