export { type Baseline, takeBaseline } from './baseline.ts';
export { liveGate, offlineGate } from './gate.ts';
