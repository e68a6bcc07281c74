export { dropCatalogue, maxCatalogues, readCatalogues, type StoredCatalogue, writeCatalogue } from './catalogues.ts';
export { deploymentWith, hasDeployment, type PointedElsewhere, pointedElsewhere, pointersElsewhere } from './deployments.ts';
export { ensureFolder, ensureStore, noteFolder, readFolders } from './folders.ts';
export {
  dropGeneration,
  dropHistory,
  dropImageHistory,
  dropPayload,
  filesBelow,
  foreignFiles,
  gcStaging,
  isVacant,
  removeEmptyDirs,
} from './gcStaging.ts';
export * from './generations/index.ts';
export { type HistoryEntry, nextId, readHistory, writeHistory } from './history.ts';
export { damaged, readJson, wayBack, writeJson } from './json.ts';
export { bytesOf, generationBytes, historyBytes, leftovers, payloadBytes, programBytes, reservedSpaceIn } from './occupied.ts';
export * from './paths.ts';
export * from './payload/index.ts';
export { idlePrograms, keepProgram, programDrift, readPrograms } from './program.ts';
export { releaseReservedSpace, reservedRoom, reserveSpace } from './reservedSpace.ts';
export { type Staging, stagingOf } from './staging.ts';
export * from './types.ts';
