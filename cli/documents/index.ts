export { ownProperties, parseJson } from './json.ts';
export { addMembers, cutMembers, isJson, newObject, runsOf, sameJson, withoutRange } from './jsonEdits.ts';
export { decodeJson, type JsonNode, readJsonText } from './jsonText.ts';
export { refusedKeys } from './keys.ts';
