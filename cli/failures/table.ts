import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';

/** A known failure of pods: a row of overlays/failures.json. The first row that a line fits counts, so that special rows come first. */
export interface FailureRow {
  id: string;
  /** A line fits where all words of one of these lists are in it, in lower case. */
  any: string[][];
  cause: string;
  /** Commands, each with a comment of the shell where it needs one. */
  next: string[];
  /** The handler's name in the line is behind one of these texts. */
  name?: { after: string[] };
  /** Instead of `next` where the line has a name that can be one: `{name}` is in it. */
  nextNamed?: string[];
  source: string;
  /** Only for what an engine answered to a pod that did not start: in a log the words are too common. */
  answerOnly?: true;
}

/** Read when it is asked for: `explain CODE` needs none of it. */
export function failureTable(): FailureRow[] {
  return (parseJson(asset('overlays/failures.json')) as { failures: FailureRow[] }).failures;
}
