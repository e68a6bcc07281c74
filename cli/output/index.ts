export { command, words } from './command.ts';
export { type Control, escaped, escapingStream } from './escape.ts';
export type { Emit, Event } from './events.ts';
export { reporter } from './reporter.ts';
export { age, type Cell, tableLines } from './table.ts';
export { bytes, errorText, findingLines, isAdvice } from './words.ts';
