export { ownProperties, parseJson } from './json.ts';
export { refusedKeys } from './keys.ts';
