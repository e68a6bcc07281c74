import { exactOptional } from 'valibot';
import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import { count, digest, listOf, mapOf, moment, oneOf, type Shape, type Shaped, tableOf, text, textLike } from '../documents/shapes.ts';
import type { Architecture } from '../facts/index.ts';
import { ownName } from './word.ts';

const architecture: Shape<Architecture> = oneOf('x86_64', 'aarch64', 's390x', 'ppc64le');
const family = oneOf('go', 'rust');
const version = textLike('a version', /^\d{1,4}\.\d{1,4}(?:\.\d{1,4})?(?:-[0-9A-Za-z.]{1,40})?$/);
/** It becomes a part of an address and a name of a file. */
const archiveName = textLike('the name of an archive', /^[A-Za-z0-9][\w.+-]{0,200}$/);

const release = tableOf({
  version,
  /** The day, as YYYY-MM-DD. */
  published: exactOptional(textLike('a day', /^\d{4}-\d{2}-\d{2}$/)),
  /** The handler that an installation without --handler gets: the release's own word. */
  handler: text,
  /** The oldest version of each engine. */
  engines: mapOf(text),
  archives: listOf(tableOf({ name: archiveName, architecture, families: listOf(family), digest, sizeBytes: exactOptional(count) })),
});

/** `overlays/releases.json`; a spec compares it with this shape. */
export type Catalogue = Shaped<typeof catalogueShape> & { name: string };
export type Release = Shaped<typeof release>;
const keys = {
  /** The folder that has a folder of each version. */
  origin: textLike<string>('an https address', /^https:\/\/[^\s?#@]{1,500}$/),
  releases: listOf(release),
};
export const catalogueShape = tableOf(keys);

/** A catalogue that `releases add` takes: of the same form, with what tells it from others and from its earlier versions. */
export type Document = Shaped<typeof documentShape>;
export const documentShape = tableOf({
  name: textLike<string>('a name of small letters, digits and -', /^[a-z][a-z0-9-]{0,31}$/),
  /** Higher with each version: an earlier one is not taken again. */
  serial: count,
  /** From then on nothing is installed by it. */
  notAfter: exactOptional(moment),
  ...keys,
});

/** The releases that this version of the program knows. */
export function ownCatalogue(): Catalogue {
  return { ...(parseJson(asset('overlays/releases.json')) as Catalogue), name: ownName };
}
