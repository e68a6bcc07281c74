export { choices, generationManifest } from './generation.ts';
export { folders, historyEntry, programManifest } from './others.ts';
export { handlers, payloadManifest, sources, treeEntry } from './payload.ts';
export { edited, generationRecord, generationState, owner, replaced, wiring } from './record.ts';
