export { blessingText } from './blessing.ts';
export { blessedFile, blessedFolder, blessedTemporary, bootFolder, bootMark, guardUnits, type Phase, phases, presetFile } from './paths.ts';
export { type GuardWish, guardSteps, unblessSteps, unitText } from './steps.ts';
