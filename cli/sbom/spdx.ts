import { createHash } from 'node:crypto';

/**
 * A writer of SPDX documents in JSON, of the versions 2.2 and 2.3. It asks nothing and knows nothing of Kata: the same input gives the same
 * bytes. The versions differ in few fields, and each has the ones that its own schema allows.
 */

export type SpdxVersion = '2.2' | '2.3';
export const spdxVersions: readonly SpdxVersion[] = ['2.2', '2.3'];

/** What is not known. SPDX has a word for it, so that no field is guessed. */
const noAssertion = 'NOASSERTION';

/** In lower-case hexadecimal. */
export interface SpdxDigests {
  sha1?: string | undefined;
  sha256?: string | undefined;
  sha512?: string | undefined;
}

/** 2.3 has it as primaryPackagePurpose; 2.2 has no field for it. */
export type SpdxPurpose = 'APPLICATION' | 'ARCHIVE' | 'CONTAINER' | 'FIRMWARE' | 'FRAMEWORK' | 'INSTALL' | 'LIBRARY' | 'OPERATING_SYSTEM';

/** Fields that are undefined become NOASSERTION where SPDX wants a value, and are left out elsewhere. */
export interface SpdxPackage {
  /** Unique in the document; relationships name it. */
  key: string;
  name: string;
  version?: string | undefined;
  /** 'Organization: NAME' or 'Person: NAME'. */
  supplier?: string | undefined;
  /** Where it can be had: an address. */
  download?: string | undefined;
  homepage?: string | undefined;
  /** An SPDX licence expression, as its authors declare it. */
  licence?: string | undefined;
  copyright?: string | undefined;
  digests?: SpdxDigests | undefined;
  /** A package URL (purl). */
  purl?: string | undefined;
  purpose?: SpdxPurpose | undefined;
  /** How the facts about it were found. */
  sourceInfo?: string | undefined;
  comment?: string | undefined;
  fileName?: string | undefined;
  /** Keys of files: the package contains them, and its verification code is made of their digests. */
  files?: string[] | undefined;
}

export interface SpdxFile {
  /** Unique in the document; relationships name it. */
  key: string;
  /** Relative to the root of what the document describes, without a leading '/'. */
  path: string;
  /** SPDX wants the SHA-1 of each file; SHA-256 is beside it. */
  digests: SpdxDigests & { sha1: string };
  licence?: string | undefined;
  kinds?: ('APPLICATION' | 'ARCHIVE' | 'BINARY' | 'DOCUMENTATION' | 'IMAGE' | 'SOURCE' | 'TEXT' | 'OTHER')[] | undefined;
}

export interface SpdxRelationship {
  /** Keys of packages or files. */
  from: string;
  type: 'CONTAINS' | 'DEPENDS_ON' | 'DEPENDENCY_OF' | 'BUILD_DEPENDENCY_OF' | 'GENERATED_FROM' | 'STATIC_LINK' | 'OTHER';
  to: string;
}

export interface SpdxInput {
  version: SpdxVersion;
  name: string;
  /** A URI without '#' that no other document has; make it of a digest of what is described. */
  namespace: string;
  /** Seconds since 1970: of what is described, never the time of the run. */
  createdSeconds: number;
  /** 'Tool: NAME-VERSION' and the like. */
  creators: string[];
  comment?: string | undefined;
  /** Keys of what the document is about. */
  describes: string[];
  packages: SpdxPackage[];
  files?: SpdxFile[] | undefined;
  relationships: SpdxRelationship[];
  /** Texts of licences that SPDX does not list; ids begin with 'LicenseRef-'. */
  otherLicences?: { id: string; name: string; text: string }[] | undefined;
}

/**
 * The text of the document in ASCII, with a newline at its end: a path may have characters that a terminal acts on. Throws RangeError for a
 * key that is there twice or that nothing has.
 */
export function spdxText(input: SpdxInput): string {
  const text = JSON.stringify(spdxDocument(input), undefined, 2);
  return `${text.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}

/** The document as a value. */
export function spdxDocument(input: SpdxInput): Record<string, unknown> {
  const { version, packages, files = [], otherLicences = [] } = input;
  const sha1s = new Map(files.map(({ key, digests }) => [key, digests.sha1]));
  const ids = idsOf(input);
  const idOf = (key: string): string => {
    const id = ids.get(key);
    if (id === undefined) throw new RangeError(`nothing in the document has the key ${JSON.stringify(key)}`);
    return id;
  };
  const described = input.describes.map((key) => relationship('SPDXRef-DOCUMENT', 'DESCRIBES', idOf(key)));
  const contained = packages.flatMap(({ key, files: own = [] }) => own.map((file) => relationship(idOf(key), 'CONTAINS', idOf(file))));
  const others = input.relationships.map(({ from, type, to }) => relationship(idOf(from), type, idOf(to)));
  return present({
    spdxVersion: `SPDX-${version}`,
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: input.name,
    documentNamespace: input.namespace,
    comment: input.comment,
    creationInfo: { created: secondsText(input.createdSeconds), creators: input.creators },
    hasExtractedLicensingInfos: unlessEmpty(otherLicences.map(({ id, name, text }) => ({ licenseId: id, name, extractedText: text }))),
    packages: packages.map((each) => packageOf(each, idOf(each.key), version, sha1s)),
    files: unlessEmpty(files.map((each) => fileOf(each, idOf(each.key)))),
    relationships: [...described, ...contained, ...others],
  });
}

/** SPDX takes letters, digits, '.' and '-'. A kind before a ':' is left out. Keys that become the same id get a number. */
function idsOf({ packages, files = [] }: SpdxInput): Map<string, string> {
  const ids = new Map<string, string>();
  const taken = new Set<string>();
  const add = (kind: string, key: string) => {
    if (ids.has(key)) throw new RangeError(`the key ${JSON.stringify(key)} is there twice`);
    const plain = `SPDXRef-${kind}-${key.replace(/^[a-z]+:/, '').replace(/[^A-Za-z0-9.-]+/g, '-')}`;
    let id = plain;
    for (let number = 2; taken.has(id); number += 1) id = `${plain}-${number}`;
    taken.add(id);
    ids.set(key, id);
  };
  for (const { key } of packages) add('Package', key);
  for (const { key } of files) add('File', key);
  return ids;
}

/** SPDX takes a package that lists files for analysed, and wants a code of their digests then. */
function packageOf(each: SpdxPackage, id: string, version: SpdxVersion, sha1s: Map<string, string>): Record<string, unknown> {
  const { files = [] } = each;
  const isAnalyzed = files.length > 0;
  return present({
    SPDXID: id,
    name: each.name,
    versionInfo: each.version,
    packageFileName: each.fileName,
    supplier: each.supplier ?? noAssertion,
    downloadLocation: each.download ?? noAssertion,
    filesAnalyzed: isAnalyzed,
    packageVerificationCode: isAnalyzed
      ? { packageVerificationCodeValue: verificationCode(files.map((key) => sha1s.get(key)!)) }
      : undefined,
    licenseInfoFromFiles: isAnalyzed ? [noAssertion] : undefined,
    homepage: each.homepage,
    sourceInfo: each.sourceInfo,
    licenseConcluded: noAssertion,
    licenseDeclared: each.licence ?? noAssertion,
    copyrightText: each.copyright ?? noAssertion,
    checksums: unlessEmpty(checksums(each.digests ?? {})),
    externalRefs: each.purl === undefined ? undefined : [purlOf(each.purl, version)],
    primaryPackagePurpose: version === '2.2' ? undefined : each.purpose,
    comment: each.comment,
  });
}

/** SPDX 2.3, 7.9: the SHA-1 of the files' SHA-1s, sorted, one behind the other. */
function verificationCode(sha1s: string[]): string {
  return createHash('sha1')
    .update([...sha1s].sort().join(''))
    .digest('hex');
}

/** 2.2 writes the category with an underscore. */
function purlOf(purl: string, version: SpdxVersion): Record<string, string> {
  const referenceCategory = version === '2.2' ? 'PACKAGE_MANAGER' : 'PACKAGE-MANAGER';
  return { referenceCategory, referenceType: 'purl', referenceLocator: purl };
}

function fileOf({ path, digests, licence, kinds }: SpdxFile, id: string): Record<string, unknown> {
  return present({
    SPDXID: id,
    fileName: `./${path}`,
    fileTypes: kinds,
    checksums: checksums(digests),
    licenseConcluded: licence ?? noAssertion,
    licenseInfoInFiles: [noAssertion],
    copyrightText: noAssertion,
  });
}

function checksums({ sha1, sha256, sha512 }: SpdxDigests): Record<string, string>[] {
  const named = { SHA1: sha1, SHA256: sha256, SHA512: sha512 };
  return Object.entries(named).flatMap(([algorithm, checksumValue]) => (checksumValue === undefined ? [] : [{ algorithm, checksumValue }]));
}

function relationship(spdxElementId: string, relationshipType: string, relatedSpdxElement: string): Record<string, string> {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}

/** RFC 3339 without fractions, which SPDX does not take. */
function secondsText(seconds: number): string {
  return new Date(Math.floor(seconds) * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}

function unlessEmpty<T>(list: T[]): T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function present(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
