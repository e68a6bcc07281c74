import { createHash } from 'node:crypto';
import type { Digest } from '../host/types.ts';
import type { Component, Origin } from './components.ts';
import { type SpdxInput, type SpdxPackage, type SpdxRelationship, spdxText } from './spdx.ts';

/**
 * A package for each component, in the package of the key `whole`, and one for what is known to be inside of it. With `files` a component
 * contains its files: see `fileKey`.
 */
export function componentPackages(
  whole: string,
  components: Component[],
  { files }: { files: boolean },
): { packages: SpdxPackage[]; relationships: SpdxRelationship[] } {
  const inside = components.flatMap((component) => component.inside.map((origin) => ({ component, origin })));
  return {
    packages: [
      ...components.map((component) => componentPackage(component, files)),
      ...inside.map(({ component, origin }) => ({ ...originPackage(origin), key: insideKey(component, origin) })),
    ],
    relationships: [
      ...components.map((component) => contains(whole, componentKey(component))),
      ...inside.map(({ component, origin }) => contains(componentKey(component), insideKey(component, origin))),
    ],
  };
}

function componentPackage(component: Component, files: boolean): SpdxPackage {
  const { row, paths } = component;
  const parts = row.parts === undefined ? undefined : `parts of it can be under ${row.parts.join(', ')}`;
  const comment = [component.note, parts].filter((text) => text !== undefined).join('; ');
  return {
    ...originPackage(component),
    key: componentKey(component),
    purpose: row.purpose,
    comment: comment === '' ? undefined : comment,
    files: files ? paths.map(fileKey) : undefined,
  };
}

function originPackage({ name, version, supplier, licence, source, how, note }: Origin): Omit<SpdxPackage, 'key'> {
  const sourceInfo = how === undefined ? undefined : `version from: ${how}`;
  return { name, version, supplier, licence, download: source, sourceInfo, comment: note };
}

export function contains(from: string, to: string): SpdxRelationship {
  return { from, type: 'CONTAINS', to };
}

/** A prefix of each kind keeps the keys apart whatever the names are. */
export function fileKey(path: string): string {
  return `file:${path}`;
}

function componentKey({ row }: Component): string {
  return `component:${row.name}`;
}

function insideKey(component: Component, { name }: Origin): string {
  return `inside:${component.row.name}:${name}`;
}

export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** The text of a document, with a namespace of its own text: two that differ in anything have different ones. */
export function namedText(input: Omit<SpdxInput, 'namespace'>): string {
  return spdxText({ ...input, namespace: `urn:uuid:${uuidOf(spdxText({ ...input, namespace: '' }))}` });
}

/** A UUID of version 8 (RFC 9562): made from the text's digest. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}
