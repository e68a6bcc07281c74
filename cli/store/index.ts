export { activeGeneration, wiredGeneration } from './active.ts';
export { placeBallast, releaseBallast } from './ballast.ts';
export { aliasesOf, namesOf, noChoices, offered, offeredBy } from './choices.ts';
export { deploymentWith, hasDeployment, type PointedElsewhere, pointedElsewhere, pointersElsewhere } from './deployments.ts';
export { type Depth, entryDrift, isIntact } from './drift.ts';
export { payloadOfRelease, releaseText, storedBytes, wholePayload } from './extension.ts';
export { ensureFolder, ensureStore, noteFolder, readFolders } from './folders.ts';
export {
  activeNumber,
  earlierImageRecords,
  findGeneration,
  isKnownImage,
  isWaiting,
  lastNumber,
  payloadOf,
  readGeneration,
  readGenerations,
  readPayload,
  takeNumber,
  wiringsWith,
  writeRecord,
} from './generations.ts';
export { type HistoryEntry, nextId, readHistory, writeHistory } from './history.ts';
export { readJson, wayBack, writeJson } from './json.ts';
export { labelLike } from './labels.ts';
export { type Drawn, drawGeneration, linksOf, makeGeneration, type Origin, originOf } from './make.ts';
export * from './paths.ts';
export { type PayloadRequest, type Staged, stageImage, stagePayload } from './payload.ts';
export { keepProgram, type ProgramManifest, programDrift, type RunningProgram, readPrograms } from './program.ts';
export { dropGeneration, dropHistory, dropPayload, dropStory, filesBelow, isVacant, strangers, sweep, tidy } from './tidy.ts';
export * from './types.ts';
