export { parseJson } from './json.ts';
export { refusedKeys } from './keys.ts';
export { ownProperties } from './own.ts';
