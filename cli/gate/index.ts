export { allGates } from './allGates.ts';
export { type Baseline, takeBaseline } from './baseline.ts';
export { harmless } from './evidence.ts';
export { liveGate, offlineGate } from './gate.ts';
export type { GateRequest } from './types.ts';
