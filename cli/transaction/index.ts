export { openEntries, readableEntries, readIntent } from './journal.ts';
export { type Recovered, recover } from './recover.ts';
export { type Gate, runTransaction } from './run.ts';
export { describe } from './steps/index.ts';
export type { Afterwards, FileStep, Intent, Leftover, Outcome, RestartStep, Step } from './types.ts';
export { dependentsOf, restartDeadlineMs } from './units.ts';
