export { entryDrift, isIntact } from './drift.ts';
export {
  architectureOfRelease,
  hasVersions,
  payloadOfRelease,
  releaseText,
  sbomEntries,
  storedBytes,
  wholePayload,
} from './extension.ts';
export { labelLike, labelProgram, needType } from './labels.ts';
export { withSha1 } from './sha1.ts';
export { type PayloadRequest, type Staged, stageImage, stagePayload } from './stage.ts';
