import { KataError } from '../errors/index.ts';
import type { HostPath } from '../host/index.ts';

export const trustFolder: HostPath = '/etc/kata-sysext/trust.d';

/** A file of trust.d that cannot be understood. */
export function unfitPolicy(file: HostPath, found: string, cause?: unknown): KataError {
  return new KataError('trust-unfit', {
    subject: file,
    found: `${file}: ${found}`,
    needed: 'keys as docs/guides/signatures.md shows them; nothing is installed while a file of trust.d cannot be understood',
    next: `look at it, and repair or remove it: ls -l ${trustFolder}`,
    cause,
  });
}

/** A file that was named as a signature and is none. */
export function unfitSignature(name: string, found: string, needed = 'the signature of minisign, openssl or cosign'): KataError {
  return new KataError('signature-unfit', { subject: name, found: `${name}: ${found}`, needed, next: `look at it: head -c 300 ${name}` });
}
