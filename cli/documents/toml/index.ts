export { isTable, parseDocument, parseProgram, type TomlDocument, type TomlTable, tableAt, valueAt } from './document.ts';
export {
  blockAfter,
  blockOf,
  eolOf,
  insert,
  insertAtEnd,
  insertElement,
  insertTopLevelLine,
  topLevelValue,
  withValue,
} from './edit.ts';
export { requireBoundedSet, tomlLimits } from './limits.ts';
export { findMark, withoutMark } from './marks.ts';
export { addsExactly, plain, readDump, readings, sameSettings, subtract, union } from './readings.ts';
export { fillTemplate, renderTable, tomlKey, tomlString } from './render.ts';
