import type { Control } from '../output/index.ts';
import type { Context } from '../runner/types.ts';
import type { Input } from './standardInput.ts';

export interface Io {
  stdout: { write(text: string): unknown; isTTY?: boolean };
  /** Resolves when all of standard output is written; gives why it could not be, undefined also where its reader has gone away. */
  written?: () => Promise<Error | undefined>;
  /** Absent where a caller has none. */
  input?: Input;
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number; control?: Control };
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /**
   * Calls back with the number of each signal; gives a function that stops the calls. The second ends the process when the promise of the
   * callback has resolved or failed.
   */
  onSignal(callback: (number: number) => unknown): () => void;
  /** Calls back with an error that no code caught, instead of ending the process; gives a function that stops listening. */
  onFault(callback: (error: unknown) => void): () => void;
}

export type OptionValue = string | number | boolean | string[] | undefined;

/** What may be at a place of the command line, for completion; where a row says nothing, its placeholder does (`completion/surface.ts`). */
export type Takes = 'file' | 'folder' | 'generation' | 'change' | 'handler' | 'installed-handler' | 'code' | 'overridable-code' | 'engine';

export interface OptionRow {
  type: 'string' | 'number' | 'boolean' | 'list';
  describe: string;
  alias?: string;
  choices?: readonly string[];
  placeholder?: string;
  takes?: Takes;
  default?: OptionValue;
}

/** Parsed arguments: options by their long name, positionals in `words`. */
export interface Call {
  words: string[];
  options: Record<string, OptionValue>;
  context: Context;
  io: Io;
}

export type Parsed = { kind: 'verb'; verb: Verb; words: string[]; options: Record<string, OptionValue> } | { kind: 'text'; text: string };

/** What a verb gives back: one JSON kind, its text for people, its exit status. */
export interface Reply {
  kind: string;
  body: object;
  text: string[];
  exitCode?: number;
  /** Files were written that stay: a signal that came meanwhile came too late. Of a change its own `changed` tells. */
  made?: boolean;
}

/** A row of the verb table: parser, help, man page, completion and docs derive from it. */
export interface Verb {
  name: string;
  /** As in the usage line: 'BUNDLE...', '[A [B]]', 'bash|zsh|fish', ''. How many they may be follows from it (`wordCounts`). */
  words: string;
  /** What each word is, where its name in `words` does not say. */
  takes?: Takes[];
  summary: string;
  /** It changes the host: it has the options of every change. */
  changing?: boolean;
  options?: Record<string, OptionRow>;
  /** The option that a word which has no place is most often meant for: `rollback 2` means `rollback --to 2`. */
  stray?: { option: string; like: RegExp };
  examples: { command: string; does: string }[];
  /** Loaded only when the verb runs: `status` must start as fast as Node itself. */
  load(): Promise<(call: Call) => Promise<Reply>>;
}
