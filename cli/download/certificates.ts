import { rootCertificates } from 'node:tls';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { readRegular } from '../host/regular.ts';

/** Where the families of distributions keep what the administrator trusts: Fedora, Debian, SUSE and Alpine. */
const hostBundles = [
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/certs/ca-certificates.crt',
  '/var/lib/ca-certificates/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/**
 * The certificates that a server is checked against: the host's, or those built into Node where the host has none, and those of `caFile`.
 * Throws `usage` for a `caFile` that is no such file.
 */
export async function certificates(caFile: string | undefined): Promise<string[]> {
  const own = caFile === undefined ? [] : [await given(caFile)];
  for (const path of hostBundles) {
    const text = await readRegular(path, 'state', { follow: true }).catch(() => undefined);
    if (text !== undefined && isBundle(text.toString('latin1'))) return [text.toString('latin1'), ...own];
  }
  return [...rootCertificates, ...own];
}

function isBundle(text: string): boolean {
  return text.includes('-----BEGIN CERTIFICATE-----') || text.includes('-----BEGIN TRUSTED CERTIFICATE-----');
}

async function given(path: string): Promise<string> {
  let found: string;
  try {
    const text = (await readRegular(path, 'state', { follow: true })).toString('latin1');
    if (isBundle(text)) return text;
    found = `${path} has no certificate`;
  } catch (error) {
    found = `${path} cannot be read (${errnoOf(error) ?? (error instanceof KataError ? error.complaint.found : String(error))})`;
  }
  throw new KataError('usage', {
    subject: '--ca-file',
    found,
    needed: 'a file with certificates in the form PEM',
    next: `openssl x509 -in ${commandWord(path)} -noout -subject`,
  });
}
