export { type Explanation, explainAnswer, explainText, type KnownFailure, maxInputBytes } from './explain.ts';
export { failureTable } from './table.ts';
