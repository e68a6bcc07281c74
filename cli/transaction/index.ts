export type { Step } from '../backends/stepKinds.ts';
export type { FileStep, LayerStep, ModulesStep, PointerStep, RereadStep, RestartStep } from '../steps/types.ts';
export { bringUp, dependentsOf, keptDownBy, restartOf } from '../steps/units.ts';
export { markedChange } from './changeMarker.ts';
export { entryFolder, isCommitted, openEntries, readableEntries, readIntent, reservedBytes } from './journal.ts';
export { openHere, parkedGenerations, plannedRecovery, type Recovered, recover } from './recover.ts';
export { type Gate, runTransaction } from './run.ts';
export { describe } from './stepKinds.ts';
export type { Afterwards, Intent, Outcome } from './types.ts';
