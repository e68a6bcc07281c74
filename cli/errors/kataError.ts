import { codeRow } from './codes/index.ts';

/** What a failure says: found, needed, next. `subject` is the path, unit or handler it is about. */
export interface Complaint {
  subject?: string | undefined;
  found: string;
  needed: string;
  next: string;
  details?: Record<string, unknown> | undefined;
  cause?: unknown;
}

/** The one error class of the program. Its code names a row of `codes.ts`, which gives the exit code. */
export class KataError extends Error {
  readonly code: string;
  readonly exitCode: number;
  readonly complaint: Complaint;

  constructor(code: string, complaint: Complaint) {
    super(`${complaint.found}`, complaint.cause === undefined ? undefined : { cause: complaint.cause });
    this.name = 'KataError';
    this.code = code;
    this.exitCode = codeRow(code).exit;
    this.complaint = complaint;
  }

  /** The error that a blocking finding becomes; it names the flag that overrides it, where one does. */
  static of({ code, subject, found, needed, next }: Finding): KataError {
    const way = codeRow(code).overridable && !next.includes('--allow') ? `${next}; or override the check: --allow ${code}` : next;
    return new KataError(code, { subject, found, needed, next: way });
  }

  /** The same statement as a blocking finding. */
  finding(): Finding {
    const { subject = '', found, needed, next } = this.complaint;
    return { code: this.code, level: 'blocker', subject, found, needed, next };
  }
}

/** Node's errno code of an error ('ENOENT', ...), if it is one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

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
