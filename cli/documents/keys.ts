/**
 * Keys that lead out of a table to what JavaScript objects inherit. No engine, no operating system and no release has a setting of such a
 * name, so a document that has one is refused.
 */
export const refusedKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
