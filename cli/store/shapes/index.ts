export { generationManifest } from './generation.ts';
export { folders, historyEntry, programManifest } from './others.ts';
export { payloadManifest } from './payload.ts';
export { edited, generationRecord, generationState, owner, replaced, wiring } from './record.ts';
