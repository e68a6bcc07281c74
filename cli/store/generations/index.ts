export { activeGeneration, isMarked, wiredGeneration } from './active.ts';
export { aliasesOf, namesOf, noChoices, offered, offeredBy } from './choices.ts';
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
  readPayload,
  takeNumber,
  wiringsWith,
  writeRecord,
} from './records.ts';
export { installAgain, sourcePlaces } from './sources.ts';
export { triesIn, withTries } from './tries.ts';
