import { KataError } from '../../errors/index.ts';

/** engine-unsupported in one line. */
export function unsupported(subject: string, found: string, needed: string, next: string): KataError {
  return new KataError('engine-unsupported', { subject, found, needed, next });
}
