export { type ColourMode, coloured, takesColour } from './colour.ts';
export { type Control, command, escaped, escapingStream, words } from './escape.ts';
export type { Emit, Event } from './events.ts';
export { reporter } from './reporter.ts';
export { age, type Cell, tableLines } from './table.ts';
export { bytes, errorText, findingLines, isAdvice } from './words.ts';
