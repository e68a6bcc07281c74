export { activeGeneration, activeNumber, findGeneration, lastNumber, readGeneration, readGenerations, readPayload, stablePaths, takeNumber, writeRecord } from './generations.ts';
export { type HistoryEntry, nextId, readHistory, writeHistory } from './history.ts';
export { readJson, writeJson } from './json.ts';
export * from './paths.ts';
export { ensureFolder, ensureStore, noteFolder, readFolders } from './folders.ts';
export { dropGeneration, dropHistory, dropPayload, filesBelow, strangers, sweep, tidy } from './tidy.ts';
export * from './types.ts';
export { drawGeneration, type GenerationRequest, makeGeneration } from './make.ts';
export { type PayloadRequest, type Staged, stagePayload } from './payload.ts';
