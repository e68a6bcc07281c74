import { lookAt } from '../download/address.ts';
import { KataError } from '../errors/index.ts';
import type { HostPath } from '../host/index.ts';
import type { SignatureFile } from './types.ts';

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
export function unfitSignature(
  { name, place, bundle }: Omit<SignatureFile, 'content'>,
  found: string,
  needed = 'the signature of minisign, openssl or cosign',
): KataError {
  const next =
    bundle === undefined ? `look at it: ${lookAt(place)}` : 'save the archives again, with signatures of them: kata-sysext bundle save';
  return new KataError('signature-unfit', { subject: name, found: `${name}: ${found}`, needed, next });
}
