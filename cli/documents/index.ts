export { ownProperties, parseJson } from './json.ts';
export { refusedKeys } from './keys.ts';
export { isPlaceholder, isUnfilled, placeAt } from './place.ts';
export { decodeUtf8 } from './utf8.ts';
