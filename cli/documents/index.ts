export { ownProperties, parseJson } from './json.ts';
export { type Added, addMembers, cutMembers, newObject, runsOf, sameJson, withoutRange } from './jsonEdits.ts';
export { decodeJson, type JsonMember, type JsonNode, readJsonText } from './jsonText.ts';
export { refusedKeys } from './keys.ts';
