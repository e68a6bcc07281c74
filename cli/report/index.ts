export { type Control, escaped, escapingStream } from './escape.ts';
export type { Emit, Event } from './events.ts';
export { reporter } from './reporter.ts';
export { bytes, errorText, findingLines, isAdvice } from './words.ts';
