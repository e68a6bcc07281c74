import { listAt, textAt } from './values.ts';

/**
 * Since when a Node is Ready, of an answer to GET /api/v1/nodes/NAME, as its API writes times; `now` where it is not Ready. undefined where
 * the answer does not say so: it has no such condition, or no time.
 */
export function nodeReadySince(node: unknown, now: Date): string | undefined {
  const ready = listAt(node, 'status', 'conditions').find((each) => textAt(each, 'type') === 'Ready');
  if (ready === undefined) return undefined;
  if (textAt(ready, 'status') !== 'True') return now.toISOString();
  const ms = Date.parse(textAt(ready, 'lastTransitionTime') ?? '');
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}
