/** One fact about the host or the request that matters to a change; the same shape in `check`, plans, errors and receipts. */
export interface Finding {
  /** A code of the table in `codes.ts`. */
  code: string;
  level: 'blocker' | 'warning' | 'info';
  /** What it is about: a path, a unit, a handler. */
  subject: string;
  found: string;
  needed: string;
  /** The command or the edit that helps. */
  next: string;
}
