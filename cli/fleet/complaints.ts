import { KataError } from '../errors/index.ts';
import { oneLine } from '../requests/index.ts';

/** The error for a kubeconfig, or for the files of KUBECONFIG together. */
export function unfit(path: string, found: string, next = 'kata-sysext status --fleet --kubeconfig FILE'): KataError {
  return new KataError('kubeconfig-unfit', { subject: path, found, needed: 'a kubeconfig that kubectl can use', next });
}

export function wordsOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}
