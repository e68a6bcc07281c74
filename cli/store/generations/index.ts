export { activeGeneration, isMarked, refuseLost, startingGeneration, wiredGeneration } from './active.ts';
export { aliasesOf, installAgain, namesOf, noChoices, offered, offeredBy, sourcePlaces } from './choices.ts';
export { generationDrift } from './drift.ts';
export { earlierGenerations, rollbackTarget } from './earlier.ts';
export { type Drawn, drawGeneration, linksOf, makeGeneration, type Origin, originOf } from './make.ts';
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
  readManifest,
  readManifests,
  readPayload,
  takeNumber,
  triesIn,
  wiringsWith,
  withTries,
  writeRecord,
} from './records.ts';
export { asRecorded, handlerMarks, marksOf, wiringFor, wiringsOf } from './wirings.ts';
export { writtenDigests } from './written.ts';
