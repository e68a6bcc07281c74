/** One row a code: exit status, whether `--allow CODE` may override it, and what `explain CODE` says. */
export interface CodeRow {
  exit: 1 | 2 | 3 | 4 | 5 | 75 | 77;
  overridable: boolean;
  /** A signal that asked for it decides the status: 128 + its number. `exit` is for the rare case without one. */
  bySignal?: true;
  explain: string;
}

export function row(exit: CodeRow['exit'], explain: string, overridable = false): CodeRow {
  return { exit, overridable, explain };
}
