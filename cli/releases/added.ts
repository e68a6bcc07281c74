import { parseJson } from '../documents/index.ts';
import { readJsonText } from '../documents/jsonFile/index.ts';
import { misfitOf } from '../documents/shapes.ts';
import { lookAt } from '../download/address.ts';
import { KataError } from '../errors/index.ts';
import { handlerTable } from '../layout/index.ts';
import { type Catalogue, type Document, documentShape } from './catalogue.ts';
import { ownName } from './word.ts';

/** 500 releases of three archives. */
const maxCatalogueBytes = 256 * 1024;
const maxReleases = 500;

/** Reads a catalogue that was added, or is to be. `place` is what messages call it. Throws `catalogue-unfit`. */
export function readDocument(content: Buffer | string, place: string, next = `look at it: ${lookAt(place)}`): Document {
  let found: string | undefined;
  try {
    const text = content.toString();
    // It is kept as a text, and a signature is over its bytes.
    if (!Buffer.from(text).equals(Buffer.from(content))) throw new Error('it is no text in UTF-8');
    const value = parseJson(text, { maxBytes: maxCatalogueBytes });
    // The last of two keys of one name would win unseen.
    readJsonText(text, place);
    found = misfitOf(documentShape, value) ?? faultOf(value as Document);
    if (found === undefined) return value as Document;
  } catch (error) {
    found = error instanceof KataError ? error.complaint.found : error instanceof Error ? error.message : String(error);
  }
  throw new KataError('catalogue-unfit', {
    subject: place,
    found: `${place}: ${found}`,
    needed: 'a catalogue as docs/guides/catalogues.md shows one',
    next,
  });
}

function faultOf({ name, releases }: Document): string | undefined {
  if (name === ownName) return `the name ${ownName} is that of the catalogue inside the program`;
  if (releases.length > maxReleases) return `it has more than ${maxReleases} releases`;
  const versions = releases.map(({ version }) => version);
  const twice = versions.find((version, index) => versions.indexOf(version) !== index);
  if (twice !== undefined) return `it has the release ${twice} twice`;
  const handlers = handlerTable.handlers.map((row) => row.name);
  const other = releases.find(({ handler }) => !handlers.includes(handler));
  if (other !== undefined) return `the default handler of ${other.version} is none that this program knows`;
  for (const { version, archives } of releases) {
    const names = archives.map((archive) => archive.name);
    if (new Set(names).size < names.length) return `${version} has two archives of one name`;
  }
  return undefined;
}

/** Throws `catalogue-expired` for a catalogue whose time is over. */
export function refuseExpired({ name, notAfter }: Pick<Document, 'name' | 'notAfter'>, now: Date): void {
  if (notAfter === undefined || Date.parse(notAfter) > now.getTime()) return;
  throw new KataError('catalogue-expired', {
    subject: name,
    found: `the catalogue ${name} was to be used until ${notAfter}`,
    needed: 'a newer catalogue of this name',
    next: 'kata-sysext releases; then add the newer one: kata-sysext releases add FILE|URL',
  });
}

/**
 * Throws `catalogue-older` where the host has a newer catalogue of this name, or another one of this serial.
 * @param before The bytes and the serial of the one that the host has
 */
export function refuseOlder({ name, serial }: Document, content: string, before: { serial: number; document: string } | undefined): void {
  if (before === undefined || serial > before.serial || (serial === before.serial && content === before.document)) return;
  const what = serial === before.serial ? 'and another content' : `and the host has the serial ${before.serial}`;
  throw new KataError('catalogue-older', {
    subject: name,
    found: `the catalogue ${name} has the serial ${serial}, ${what}`,
    needed: `a serial higher than ${before.serial}`,
    next: `ask its author for the newest one; to begin again with any: kata-sysext releases remove ${name}`,
  });
}

/** Throws `catalogue-conflict` where an archive of a release, or what takes its place, has another digest in another catalogue. */
export function refuseConflicts({ name, releases }: Document, others: Catalogue[]): void {
  for (const other of others)
    for (const { version, archives } of releases) {
      const known = other.releases.find((release) => release.version === version)?.archives ?? [];
      for (const archive of archives) {
        const rival = known.find((each) => each.digest !== archive.digest && isSame(each, archive));
        if (rival === undefined) continue;
        throw new KataError('catalogue-conflict', {
          subject: name,
          found: `${archive.name} of ${version} has the digest ${archive.digest}, and ${rival.digest} in the catalogue ${other.name}`,
          needed: 'one digest for an archive of a release; archives of your own have a version of their own, such as 4.2.0-team.1',
          next: 'compare both with the release page; kata-sysext releases --json lists what the host has',
        });
      }
    }
}

type Archive = Catalogue['releases'][number]['archives'][number];

function isSame(a: Archive, b: Archive): boolean {
  return a.name === b.name || (a.architecture === b.architecture && a.families.some((family) => b.families.includes(family)));
}
