import type { Bundled } from '../release/bundled.ts';
import { type Component, type Contents, nodeIn, packagesIn } from '../release/contents.ts';
import { debianArchs } from '../release/debianTexts.ts';
import { sbomsOf } from '../release/sbom.ts';
import { type Arch, archs } from '../single/node.ts';
import type { LibraryRoot } from './libraries.ts';

interface Parts {
  bundled: readonly Bundled[];
  components: readonly Component[];
  libraries: Record<Arch, LibraryRoot>;
}

/** The SPDX documents of an image, by the names of their files: npm packages, Node and what it has inside, packages of Debian. */
export function imageSbom(
  index: string,
  version: string,
  seconds: number,
  { bundled, components, libraries }: Parts,
): Record<string, string> {
  const file = 'kata-sysext-image';
  const all = [
    packagesIn(file, bundled),
    ...archs.map((arch) => nodeOf(file, arch, components)),
    ...archs.map((arch) => debianIn(file, arch, libraries[arch])),
  ];
  // Of Node's parts both architectures have the same.
  const packages = [...new Map(all.flatMap((each) => each.packages).map((each) => [each.key, each])).values()];
  const relationships = [...new Map(all.flatMap((each) => each.relationships).map((each) => [JSON.stringify(each), each])).values()];
  const contents: Contents = {
    file,
    sha256: index.replace('sha256:', ''),
    title: { purl: `pkg:oci/kata-sysext@${encodeURIComponent(index)}` },
    parts: { packages, relationships },
  };
  return sbomsOf(contents, version, seconds);
}

/** Each architecture has a build of Node of its own; what is inside is the same. */
function nodeOf(key: string, arch: Arch, components: readonly Component[]): Contents['parts'] {
  const { packages, relationships } = nodeIn(key, arch, components);
  const named = (each: string) => (each === 'node' ? `node-linux-${arch}` : each);
  return {
    packages: packages.map((each) => ({ ...each, key: named(each.key) })),
    relationships: relationships.map((each) => ({ ...each, from: named(each.from), to: named(each.to) })),
  };
}

function debianIn(key: string, arch: Arch, { packages }: LibraryRoot): Contents['parts'] {
  const rows = packages.map(({ name, version, source, sha256 }) => ({
    key: `debian-${name}-${arch}`,
    name,
    version,
    sourceInfo: `built by Debian from its source package ${source}`,
    comment: `The licences are in usr/share/doc/${name}/copyright of the image.`,
    digests: { sha256 },
    purl: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${debianArchs[arch]}`,
    purpose: 'LIBRARY' as const,
  }));
  return { packages: rows, relationships: rows.map((row) => ({ from: key, type: 'CONTAINS' as const, to: row.key })) };
}
