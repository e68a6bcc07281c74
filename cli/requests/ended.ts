import { type Finding, KataError } from '../errors/index.ts';
import { type NodeReport, oneLine } from './report.ts';

/** What a node that has one of these cannot change by itself: it is no failure of the request. */
const unsuitable: readonly string[] = [
  'backend-unfit',
  'engine-missing',
  'engine-rendered',
  'host-architecture',
  'host-etc-unsafe',
  'host-kvm-fails',
  'host-kvm-no-guest',
  'host-no-kvm',
  'host-read-only',
  'host-var-unsafe',
];

/** What passes by itself, as long as nothing was restarted. */
const passing: readonly string[] = [
  'download-failed',
  'edited-meanwhile',
  'engine-pending-edits',
  'engine-unhealthy',
  'handler-in-use',
  'handler-stranded',
  'host-busy',
  'host-space',
  'interrupted',
  'lock-held',
];

/** A bundle that cannot be had: what was made of it may still be here. */
const bundleGone: readonly string[] = ['bundle-missing', 'download-failed', 'download-refused'];

/** Files of the node that a request names: another program may be writing them. */
const filesOfNode: readonly string[] = ['--registry-auth', '--ca-file'];

function isFileGone({ code, complaint }: KataError): boolean {
  return code === 'usage' && filesOfNode.includes(complaint.subject ?? '');
}

/** What is wrong with the words of a request: nothing was begun, and it says nothing of the node. */
export function isOfWords(error: KataError): boolean {
  return ['usage', 'profile-unknown', 'release-unknown'].includes(error.code) && !isFileGone(error);
}

/** What a run came to. */
export interface Ended {
  state: NodeReport['state'];
  reason: string;
  code?: string | undefined;
  exitCode?: number;
  restarts?: number;
}

export function isUnsuitable(code: string): boolean {
  return unsuitable.includes(code);
}

export function isBundleGone(error: unknown): boolean {
  return error instanceof KataError && (bundleGone.includes(error.code) || isFileGone(error));
}

/** What a change that failed means for the request. */
export function endedBy(error: KataError): Ended {
  const { complaint, exitCode, cause } = error;
  // Of a change that was undone the code may be that of any fault.
  const code = error.code === 'failed' && cause instanceof KataError ? cause.code : error.code;
  const restarted = complaint.details?.['restarted'];
  // Each restart of the change and of its undo; one that failed is not among them.
  const restarts = Array.isArray(restarted) ? 2 * Math.ceil(restarted.length / 2) : 0;
  const passes = code === 'interrupted' || (restarts === 0 && (passing.includes(code) || exitCode === 75 || isFileGone(error)));
  const state = passes ? 'waiting' : isUnsuitable(code) ? 'unsuitable' : 'failed';
  return { state, code, reason: reasonOf(complaint), exitCode, restarts };
}

export function reasonOf({ found, needed }: Pick<Finding, 'found' | 'needed'>): string {
  return oneLine(`${found}; needed: ${needed}`);
}
