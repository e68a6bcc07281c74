export { isTable, parseDocument, parseProgram, type TomlDocument, type TomlTable, tableAt, valueAt } from './document.ts';
export {
  blockAfter,
  blockOf,
  eolOf,
  insert,
  insertAhead,
  insertAtEnd,
  insertBelowHeader,
  insertElement,
  insertTopLevelLine,
  pairIn,
  topLevelValue,
  withValue,
} from './edit.ts';
export { requireBoundedSet, tomlLimits } from './limits.ts';
export { findMark, rangeOf, withoutMark } from './marks.ts';
export { placeholderIn, placeOfKey, placeOfObstacle } from './places.ts';
export { addsExactly, plain, readDump, readings, sameSettings, subtract, union } from './readings.ts';
export { fillTemplate, renderTable, tomlKey, tomlString } from './render.ts';
