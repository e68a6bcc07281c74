import type { Context } from '../runner/types.ts';

/** What a step gets of the command that runs it. */
export interface StepCall {
  context: Context;
  io: {
    stderr: { write(text: string): unknown };
    env: Readonly<Record<string, string | undefined>>;
  };
}

/** One document, and its text for people. */
export interface StepReply {
  kind: string;
  body: object;
  text: string[];
  exitCode?: number;
}

/** What one container of a node pod does. It ends at a signal; what it started on the node goes on. */
export type Step = (call: StepCall) => Promise<StepReply>;
