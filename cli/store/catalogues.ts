import { exactOptional } from 'valibot';
import { count, moment, type Shaped, tableOf, text, textLike } from '../documents/shapes.ts';
import type { Host, HostPath, HostView } from '../host/index.ts';
import { ensureFolder } from './folders.ts';
import { damaged, readable, readJson, writeJson } from './json.ts';
import { dropEmpty } from './ownFiles.ts';
import { cataloguesFolder } from './paths.ts';
import { proofShape } from './types.ts';

/** A catalogue of releases that the administrator added. */
export type StoredCatalogue = Shaped<typeof shape>;
const shape = tableOf({
  schema: count,
  name: text,
  added: moment,
  /** Its own bytes: a signature is over these. */
  document: text,
  /** What was proven when it was added. */
  proof: exactOptional(proofShape),
  /** Where a key signed it: whether the key is still trusted is asked at each use. */
  signature: exactOptional(tableOf({ place: text, base64: textLike<string>('text in base64', /^[A-Za-z0-9+/]{1,90000}={0,2}$/) })),
});

const fileName = /^([a-z][a-z0-9-]{0,31})\.json$/;
/** Each is read where a release is named, and listed. */
export const maxCatalogues = 16;

/** By their names. Throws `state-damaged`. */
export async function readCatalogues(host: HostView): Promise<StoredCatalogue[]> {
  const names = (await host.readdir(cataloguesFolder)).flatMap((name) => fileName.exec(name)?.[1] ?? []).sort();
  if (names.length > maxCatalogues) throw damaged(cataloguesFolder, `it has more than ${maxCatalogues} catalogues`);
  const read: StoredCatalogue[] = [];
  for (const name of names) {
    const stored = await readJson(host, pathOf(name), shape);
    if (stored === undefined) continue;
    if (stored.name !== name) throw damaged(pathOf(name), `it is the catalogue ${stored.name}`);
    read.push(stored);
  }
  return read;
}

/** Replaces the file of the catalogue as a whole. */
export async function writeCatalogue(host: Host, stored: StoredCatalogue): Promise<void> {
  await ensureFolder(host, cataloguesFolder);
  await host.failpoint('catalogue/before');
  await writeJson(host, pathOf(stored.name), shape, stored, readable);
  await host.failpoint('catalogue/after');
}

export async function dropCatalogue(host: Host, name: string): Promise<void> {
  await host.unlink(pathOf(name));
  await dropEmpty(host, cataloguesFolder);
}

function pathOf(name: string): HostPath {
  return `${cataloguesFolder}/${name}.json`;
}
