import { exactOptional } from 'valibot';
import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import { flag, listOf, mapOf, oneOf, type Shape, type Shaped, tableOf, text } from '../documents/shapes.ts';
import type { SpdxPurpose } from './spdx.ts';

const purpose: Shape<SpdxPurpose> = oneOf('APPLICATION', 'ARCHIVE', 'FIRMWARE', 'INSTALL', 'LIBRARY', 'OPERATING_SYSTEM');

const origin = {
  name: text,
  /** Built from Kata's own repository, with the version of the release. */
  kata: exactOptional(flag),
  /** An SPDX expression; not there where it is not known. */
  licence: exactOptional(text),
  /** Where versions.yaml has its `version`, `tag` and `url`; `{architecture}` is Kata's word for it. */
  versions: exactOptional(listOf(text)),
  /** Where the `url` is, if not beside the version. */
  urlOf: exactOptional(listOf(text)),
  /** `{url}`, `{tag}` as versions.yaml has it, `{version}` without a leading v. */
  source: exactOptional(text),
  note: exactOptional(text),
};

export type ComponentOrigin = Shaped<typeof insideShape>;
const insideShape = tableOf({
  ...origin,
  /** versions.yaml has a name as well: that of a distribution. */
  named: exactOptional(flag),
});

export type LicencedComponent = Shaped<typeof componentShape>;
const componentShape = tableOf({
  ...origin,
  /** Over paths of a release and of a payload. The first row that fits has the file. */
  globs: listOf(text),
  /** Further licences of parts of it. */
  parts: exactOptional(listOf(text)),
  /** Takes the version out of the name of a file. */
  fileVersion: exactOptional(text),
  purpose: exactOptional(purpose),
  /** What is in its files. */
  inside: exactOptional(listOf(insideShape)),
});

/** `overlays/licences.json`; a spec compares it with this shape. */
export type LicenceTable = Shaped<typeof licenceShape>;
export const licenceShape = tableOf({
  /** Licence → names of texts in templates/licenses. */
  texts: mapOf(listOf(text)),
  /** Licences that want the sources to be offered. */
  withSources: listOf(text),
  kata: tableOf({ name: text, supplier: text, licence: text, url: text, source: text, note: text }),
  components: listOf(componentShape),
});

export const licenceTable = parseJson(asset('overlays/licences.json')) as LicenceTable;

/** The licences and exceptions that an SPDX expression names. */
export function licencesIn(expression: string): string[] {
  return expression.split(/[\s()]+/).filter((word) => word !== '' && !['AND', 'OR', 'WITH'].includes(word));
}
