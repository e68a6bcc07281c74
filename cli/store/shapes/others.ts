import { exactOptional } from 'valibot';
import { absolutePath, amount, count, digest, listOf, moment, oneOf, type Shape, tableOf, text, textLike } from '../../documents/shapes.ts';
import type { Folders } from '../folders.ts';
import type { HistoryEntry } from '../history.ts';
import type { ProgramManifest } from '../program.ts';

export const folders: Shape<Folders> = tableOf({ schema: count, made: listOf(absolutePath), roots: listOf(absolutePath) });

export const programManifest: Shape<ProgramManifest> = tableOf({
  schema: count,
  version: textLike('a version', /^\d+\.\d+\.\d+(?:[-+.][\w.+-]*)?$/),
  root: absolutePath,
  digest,
  sizeBytes: count,
});

const place = tableOf({ path: text, found: text, next: text });

export const historyEntry: Shape<HistoryEntry> = tableOf({
  schema: count,
  id: count,
  verb: text,
  at: moment,
  from: exactOptional(count),
  to: exactOptional(count),
  reason: exactOptional(text),
  cause: text,
  user: exactOptional(tableOf({ uid: count, name: exactOptional(text) })),
  result: oneOf('done', 'undone', 'not-restored'),
  restarted: listOf(text),
  seconds: amount,
  error: exactOptional(tableOf({ code: text, found: text, next: text })),
  evidence: listOf(text),
  leftovers: listOf(place),
});
