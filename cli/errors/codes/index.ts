import { bundleCodes } from './bundle.ts';
import { clusterCodes } from './cluster.ts';
import { commandLineCodes } from './commandLine.ts';
import { engineCodes } from './engine.ts';
import { hostCodes } from './host.ts';
import { imagesCodes } from './images.ts';
import { nodePodCodes } from './nodePod.ts';
import type { CodeRow } from './row.ts';
import { runningCodes } from './running.ts';

export type { CodeRow } from './row.ts';

/** Every code that an error or a finding may carry. docs/reference/errors.md is made from this table. `explain` asks it for any word: it inherits none. */
export const codes: Record<string, CodeRow> = Object.assign(
  Object.create(null),
  commandLineCodes,
  bundleCodes,
  hostCodes,
  imagesCodes,
  engineCodes,
  runningCodes,
  clusterCodes,
  nodePodCodes,
);

/** The row of a code. An unknown code is a fault of the program and counts as `internal`. */
export function codeRow(code: string): CodeRow {
  return codes[code] ?? codes['internal']!;
}

/** The exit status of a code in words: '3', or '128 + N' where a signal decides. */
export function exitText({ exit, bySignal }: CodeRow): string {
  return bySignal === true ? '128 + N' : String(exit);
}
