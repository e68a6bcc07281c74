export { addMembers, cutMembers, isJson, newObject, runsOf, sameJson, withoutRange } from './edits.ts';
export { type JsonNode, readJsonText } from './text.ts';
