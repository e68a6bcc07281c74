export { blessingText, isBlessed } from './blessing.ts';
export {
  blessedFile,
  blessings,
  bootFolder,
  bootMark,
  bootScratch,
  guardUnits,
  imageUnits,
  type Phase,
  presetFile,
} from './paths.ts';
export { canBless, type GuardRequest, guardSteps, isGuardText, unblessSteps } from './steps.ts';
