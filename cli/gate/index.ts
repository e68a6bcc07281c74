export { type Baseline, takeBaseline } from './baseline.ts';
export { harmless } from './evidence.ts';
export { liveGate, offlineGate } from './gate.ts';
