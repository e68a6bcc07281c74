import { commandWord, KataError } from '../errors/index.ts';
import { type Digest, digestOf } from '../host/index.ts';
import {
  addedCatalogues,
  type Document,
  ownCatalogue,
  readDocument,
  refuseConflicts,
  refuseExpired,
  refuseOlder,
} from '../releases/index.ts';
import { dropCatalogue, maxCatalogues, readCatalogues, type StoredCatalogue, schema, writeCatalogue } from '../store/index.ts';
import { type Proof, readConditions, type SignatureFile, trustFolder, verifierFor } from '../trust/index.ts';
import { underLock } from './session.ts';
import type { Context } from './types.ts';

interface Asking {
  dryRun: boolean;
  waitSeconds: number;
}

export interface AddRequest extends Asking {
  content: Buffer;
  /** As messages say it: a file or an address without secrets. */
  place: string;
  digest: Digest | undefined;
  signature: SignatureFile | undefined;
}

/** What `releases add` and `releases remove` did, or would do. */
export interface CatalogueChange {
  name: string;
  changed: boolean;
  dryRun: boolean;
  /** Of a catalogue that was added. */
  serial?: number;
  /** Of the catalogue of this name that the host had. */
  earlierSerial?: number | undefined;
  notAfter?: string | undefined;
  /** The name of the key. */
  signedBy?: string | undefined;
  versions?: string[];
}

/** What `releases add` did. */
export type AddedChange = CatalogueChange & Required<Pick<CatalogueChange, 'serial' | 'versions'>>;

/**
 * Keeps a catalogue of releases instead of an earlier one of its name: one file, which is replaced as a whole. Throws the codes
 * `catalogue-*`, `signature-*`, `trust-unfit`, `bundle-digest` and those of the lock.
 */
export function addCatalogue(context: Context, request: AddRequest): Promise<AddedChange> {
  const { dryRun, waitSeconds, content, place, signature } = request;
  return underLock(context, 'releases', { dryRun, waitSeconds, allow: [] }, async () => {
    const { host } = context;
    const proof = await proofOf(context, request);
    const document = content.toString();
    const read = readDocument(content, place);
    refuseExpired(read, host.now());
    const added = await addedCatalogues(host);
    const before = added.find(({ name }) => name === read.name);
    refuseOlder(read, document, before && { serial: before.serial, document: before.stored.document });
    refuseConflicts(read, [ownCatalogue(), ...added.filter(({ name }) => name !== read.name)]);
    if (before === undefined && added.length >= maxCatalogues) throw tooMany(read.name);
    const stored: StoredCatalogue = {
      schema,
      name: read.name,
      added: host.now().toISOString(),
      document,
      proof,
      signature: signature && { place: signature.place, base64: signature.content.toString('base64') },
    };
    const changed = before?.stored.document !== document || before.stored.signature?.base64 !== stored.signature?.base64;
    if (changed && !dryRun) await writeCatalogue(host, stored);
    return changeOf(read, { changed, dryRun, earlierSerial: before?.serial, signedBy: proof?.key });
  });
}

/** Throws `usage` for a name that no catalogue has. */
export function removeCatalogue(context: Context, { name, dryRun, waitSeconds }: Asking & { name: string }): Promise<CatalogueChange> {
  return underLock(context, 'releases', { dryRun, waitSeconds, allow: [] }, async () => {
    const { host } = context;
    const all = await readCatalogues(host);
    const stored = all.find((each) => each.name === name);
    if (stored === undefined) throw notThere(name, all);
    if (!dryRun) await dropCatalogue(host, name);
    return { name, changed: true, dryRun, signedBy: stored.proof?.key };
  });
}

function changeOf(
  { name, serial, notAfter, releases }: Document,
  more: Pick<CatalogueChange, 'changed' | 'dryRun' | 'earlierSerial' | 'signedBy'>,
): AddedChange {
  return { name, serial, notAfter, versions: releases.map(({ version }) => version), ...more };
}

/** A signature has to fit; without one the digest has to, and where signatures are demanded that is not enough. */
async function proofOf({ host }: Context, { content, place, digest, signature }: AddRequest): Promise<Proof | undefined> {
  const conditions = await readConditions(host);
  const found = digestOf(content);
  if (digest !== undefined && digest !== found) {
    throw new KataError('bundle-digest', {
      subject: place,
      found: `${place} has the digest ${found}`,
      needed: `the digest ${digest}`,
      next: 'fetch the catalogue again; if the digest stays, do not trust its origin',
    });
  }
  if (signature !== undefined) {
    const verifier = await verifierFor(signature, place, conditions);
    verifier.update(content);
    return verifier.finish();
  }
  if (conditions.policy.strict) throw unproven(place, `and ${trustFolder} demands a signature`, 'its signature', '--signature SIGNATURE');
  if (digest === undefined)
    throw unproven(
      place,
      'neither a signature nor a digest',
      'its signature, or the digest that its author tells you',
      '--digest sha256:HEX',
    );
  return undefined;
}

function unproven(place: string, why: string, needed: string, option: string): KataError {
  return new KataError('signature-missing', {
    subject: place,
    found: `nothing proves the catalogue ${place}: ${why}`,
    needed,
    next: `kata-sysext releases add ${commandWord(place)} ${option}`,
  });
}

function tooMany(name: string): KataError {
  return new KataError('usage', {
    subject: name,
    found: `${maxCatalogues} catalogues are there already`,
    needed: 'fewer',
    next: 'kata-sysext releases; then: kata-sysext releases remove NAME',
  });
}

function notThere(name: string, all: StoredCatalogue[]): KataError {
  return new KataError('usage', {
    subject: name,
    found: `there is no catalogue ${name} that was added`,
    needed: all.length === 0 ? 'a catalogue that was added; there is none' : `one of ${all.map((each) => each.name).join(', ')}`,
    next: 'kata-sysext releases',
  });
}
