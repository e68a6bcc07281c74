export { allowedCodes } from './allowed.ts';
export { type CodeRow, codeRow, codes, exitText } from './codes/index.ts';
export { commandWord, pathWord, systemctl } from './commandWord.ts';
export type { Finding } from './kataError.ts';
export { errnoOf, KataError } from './kataError.ts';
export { didYouMean } from './suggest.ts';
