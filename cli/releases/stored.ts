import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { readCatalogues, type StoredCatalogue } from '../store/index.ts';
import { type Conditions, verifierFor } from '../trust/index.ts';
import { readDocument, refuseExpired } from './added.ts';
import { type Catalogue, type Document, ownCatalogue } from './catalogue.ts';
import { catalogueOf, ownName } from './word.ts';

export interface AddedCatalogue extends Document {
  stored: StoredCatalogue;
}

/** The catalogues that the administrator added, by their names. Throws `state-damaged` and `catalogue-unfit`. */
export async function addedCatalogues(host: HostView): Promise<AddedCatalogue[]> {
  return (await readCatalogues(host)).map((stored) => ({
    ...readDocument(stored.document, `catalogue ${stored.name}`, `kata-sysext releases remove ${stored.name}`),
    name: stored.name,
    stored,
  }));
}

/** The catalogue of a word such as kata@4.2.0. Throws `release-unknown` and `catalogue-expired`. */
export async function catalogueFor(host: HostView, named: string): Promise<Catalogue> {
  const name = catalogueOf(named);
  if (name === ownName) return ownCatalogue();
  const added = await addedCatalogues(host);
  const found = added.find((each) => each.name === name);
  if (found === undefined) {
    throw new KataError('release-unknown', {
      subject: named,
      found: `there is no catalogue ${name}`,
      needed: `one of ${[ownName, ...added.map((each) => each.name)].join(', ')}; or a file, which is named ./${named}`,
      next: 'kata-sysext releases; to add one: kata-sysext releases add FILE|URL',
    });
  }
  refuseExpired(found, host.now());
  return found;
}

/**
 * The digests that count as proven on a host that demands signatures: of the program's own catalogue, and of each that is not expired and that
 * a key signed which is trusted now.
 */
export async function provenDigests(host: HostView, conditions: Conditions): Promise<Set<string>> {
  const proven: Catalogue[] = [ownCatalogue()];
  for (const each of await addedCatalogues(host)) if (await isProven(each, conditions)) proven.push(each);
  return new Set(proven.flatMap(({ releases }) => releases.flatMap(({ archives }) => archives.map(({ digest }) => digest))));
}

/** Whether a key that is trusted now signed a catalogue whose time is not over. */
async function isProven(catalogue: AddedCatalogue, conditions: Conditions): Promise<boolean> {
  const { name, document, signature } = catalogue.stored;
  if (signature === undefined) return false;
  try {
    refuseExpired(catalogue, conditions.now);
    const file = { name: signature.place, place: signature.place, content: Buffer.from(signature.base64, 'base64') };
    const verifier = await verifierFor(file, name, conditions);
    verifier.update(Buffer.from(document));
    verifier.finish();
    return true;
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    return false;
  }
}
