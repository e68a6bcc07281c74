export { explainAnswer, explainText, maxInputBytes } from './explain.ts';
export { failureTable } from './table.ts';
