import { stat } from 'node:fs/promises';
import { isSavedBundle } from '../../bundle/index.ts';
import { isAddress, nameIn } from '../../download/address.ts';
import { KataError } from '../../errors/index.ts';
import { type HostView, readRegular } from '../../host/index.ts';
import { words as quoted } from '../../output/index.ts';
import { provenDigests } from '../../releases/index.ts';
import {
  type ArchiveProver,
  archiveProver,
  type Conditions,
  firstVerifier,
  readConditions,
  type SignatureFile,
  signatureSuffixes,
  trustFolder,
  type Verifier,
  verifierFor,
} from '../../trust/index.ts';
import type { InstallRequest } from './types.ts';

/**
 * The request with what verifies each of its sources. Throws `trust-unfit`, `signature-unfit`, `signature-key`, and on a host that demands
 * signatures `signature-missing`.
 */
export async function withProofs(host: HostView, request: InstallRequest): Promise<InstallRequest> {
  const conditions = await readConditions(host);
  const { policy } = conditions;
  const known = policy.strict ? await provenDigests(host, conditions) : new Set<string>();
  const verifiers: (Verifier | undefined)[] = [];
  const provers: (ArchiveProver | undefined)[] = [];
  for (const [index, source] of request.sources.entries()) {
    const signature = request.signatures?.[index];
    if ((signature !== undefined || policy.strict) && (await isFolder(source))) throw ofFolder(source);
    const isKnown = known.has(request.digests[index] ?? '');
    const looks = signature === undefined && policy.strict && !isKnown;
    const verifier = looks ? await beside(source, conditions) : signature && (await verifierFor(signature, nameOf(source), conditions));
    const isUnproven = looks && verifier === undefined;
    // What an address has shows when its first bytes come: they are not received without a proof.
    if (isUnproven && !isAddress(source) && !(await isSavedBundle(source))) throw missing(source);
    verifiers.push(verifier);
    provers.push(isUnproven ? archiveProver(conditions, known, (archives) => unproven(source, archives)) : undefined);
  }
  return { ...request, verifiers, provers, strict: policy.strict };
}

/** Of the signatures that lie beside a file, under the names that users of minisign, cosign and openssl give them; see `firstVerifier`. */
async function beside(source: string, conditions: Conditions): Promise<Verifier | undefined> {
  if (isAddress(source)) return undefined;
  const files: SignatureFile[] = [];
  for (const place of signatureSuffixes.map((suffix) => `${source}${suffix}`)) {
    const content = await readRegular(place, 'signature', { follow: true }).catch(() => undefined);
    if (content !== undefined) files.push({ name: nameOf(place), place, content });
  }
  return files.length === 0 ? undefined : firstVerifier(files, nameOf(source), conditions);
}

async function isFolder(source: string): Promise<boolean> {
  return !isAddress(source) && (await stat(source).catch(() => undefined))?.isDirectory() === true;
}

function ofFolder(source: string): KataError {
  return new KataError('signature-missing', {
    subject: nameOf(source),
    found: `${nameOf(source)} is a folder, and a signature is over the bytes of one file`,
    needed: 'the archive that was signed',
    next: `name the archive that ${source} was unpacked from`,
  });
}

function nameOf(source: string): string {
  return (isAddress(source) ? nameIn(source) : undefined) ?? source.slice(source.lastIndexOf('/') + 1);
}

function missing(source: string): KataError {
  const name = nameOf(source);
  return new KataError('signature-missing', {
    subject: name,
    found: `nothing proves ${name}, and ${trustFolder} demands a signature`,
    needed: 'its signature, or a release that kata-sysext releases lists',
    next: `kata-sysext install ${quoted(isAddress(source) ? ['ADDRESS', '--signature', `${name}.minisig`] : [source, '--signature', `${source}.minisig`])}`,
  });
}

/** Of a saved bundle that has no signature of its own: which of the archives in it have none either. */
function unproven(source: string, archives: string[]): KataError {
  if (archives.length === 0) return missing(source);
  const name = nameOf(source);
  return new KataError('signature-missing', {
    subject: name,
    found: `${name}: nothing in it proves ${archives.join(', ')}, and ${trustFolder} demands a signature`,
    needed: `the signature of each archive in it, or one of ${name} itself`,
    next: 'save it with them: kata-sysext bundle save BUNDLE... --signature FILE... -o FILE',
    details: { archives },
  });
}

/** Throws `release-older` where a host that demands signatures would get an older release than it has. */
export function refuseOlder(from: string | undefined, to: string, { strict, allow }: Pick<InstallRequest, 'strict' | 'allow'>): void {
  if (strict !== true || from === undefined || allow.includes(older) || !isOlder(to, from)) return;
  throw KataError.of({
    code: older,
    level: 'blocker',
    subject: to,
    found: `Kata ${to} is older than ${from}, which is active`,
    needed: 'the same release or a newer one',
    next: 'go back to an earlier generation with kata-sysext rollback',
  });
}

const older = 'release-older';

/** By the numbers of both; a release with a suffix comes before the one without. */
function isOlder(a: string, b: string): boolean {
  const parts = (text: string) => (/^[\d.]+/.exec(text)?.[0] ?? '').split('.').map(Number);
  const [left, right] = [parts(a), parts(b)];
  for (const index of [0, 1, 2]) {
    const [x = 0, y = 0] = [left[index], right[index]];
    if (x !== y) return x < y;
  }
  return a.includes('-') && !b.includes('-');
}
