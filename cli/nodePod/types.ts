import type { Call, Reply } from '../commands/types.ts';

/** What one container of a node pod does. It ends at a signal; what it started on the node goes on. */
export type Step = (call: Call) => Promise<Reply>;
