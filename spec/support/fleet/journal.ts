import type { NodeReport } from '../../../cli/requests/index.ts';

/** A run of a request's unit on a simulated node. */
export interface Entry {
  node: string;
  request: string;
  from: number;
  to: number;
  state: NodeReport['state'];
  /** A change began, by what the node itself remembers of requests: not one that was held, was over, or had nothing to do. */
  began: boolean;
  /** Of the engine, for the request. */
  restarts: number;
}

/** The nodes on which a request began, in order; one that began there twice is named twice. */
export function begunOn(journal: readonly Entry[], request: string): string[] {
  return journal.filter((entry) => entry.request === request && entry.began).map(({ node }) => node);
}

/** On how many nodes at most changes of a request were under way at one moment. */
export function mostAtOnce(journal: readonly Entry[], request: string): number {
  const begun = journal.filter((entry) => entry.request === request && entry.began);
  const moments = begun.flatMap(({ from, to }) => [
    { at: from, more: 1 },
    { at: to, more: -1 },
  ]);
  let [now, most] = [0, 0];
  // At the same moment an end comes first.
  for (const { more } of moments.sort((one, other) => one.at - other.at || one.more - other.more)) {
    now += more;
    most = Math.max(most, now);
  }
  return most;
}
