export { awayMs, type Decision, decide, type Node, returnOf, settled } from './decide.ts';
export { type Ended, endedBy, isBundleGone, isOfWords, isUnsuitable, reasonOf } from './ended.ts';
export {
  type Attempt,
  attemptAt,
  forget,
  forgetAll,
  isSameMemory,
  readAway,
  readMemory,
  recall,
  remember,
  rememberAway,
} from './memory.ts';
export { fleetMessage, type NodeMessage, readFleetMessage } from './message.ts';
export { writeMetrics } from './metrics.ts';
export { isReady, isReport, knownOf, type NodeReport, oneLine, readReport, reportLine, shortened, writeReport } from './report.ts';
export { type NodeRequest, readRequest, requestDigest, requestIn, requestOf } from './request.ts';
