export { entryDrift, isIntact } from './drift.ts';
export { payloadOfRelease, releaseText, storedBytes, wholePayload } from './extension.ts';
export { labelLike, labelProgram, needType } from './labels.ts';
export { type PayloadRequest, type Staged, stageImage, stagePayload } from './stage.ts';
