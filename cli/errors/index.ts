export { type CodeRow, codeRow, codes } from './codes.ts';
export type { Finding } from './finding.ts';
export { type Complaint, errnoOf, KataError } from './kataError.ts';
