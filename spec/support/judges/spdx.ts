import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';

/** The official schema of an SPDX document (spec/fixtures/spdx/README.md), compiled once. */
const judges = new Map<string, ValidateFunction>();

function judgeOf(version: string): ValidateFunction {
  const known = judges.get(version);
  if (known !== undefined) return known;
  const schema = JSON.parse(readFileSync(new URL(`../../fixtures/spdx/${version}.json`, import.meta.url), 'utf8'));
  const made = new Ajv({ allErrors: true, strict: false, validateFormats: false }).compile(schema);
  judges.set(version, made);
  return made;
}

export interface SpdxRead {
  spdxVersion: string;
  name: string;
  documentNamespace: string;
  creationInfo: { created: string; creators: string[] };
  packages: {
    SPDXID: string;
    name: string;
    versionInfo?: string;
    downloadLocation: string;
    licenseDeclared: string;
    filesAnalyzed: boolean;
    packageVerificationCode?: { packageVerificationCodeValue: string };
    checksums?: { algorithm: string; checksumValue: string }[];
    comment?: string;
  }[];
  files?: { SPDXID: string; fileName: string; checksums: { algorithm: string; checksumValue: string }[] }[];
  relationships: { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[];
}

/**
 * What is wrong with a document: by the official schema of its version, and by the rules of the specification that a schema cannot say (ids
 * are there once, relationships name ids of the document).
 */
export function spdxFaults(text: string, version: '2.2' | '2.3'): string[] {
  const document = JSON.parse(text) as SpdxRead;
  const judge = judgeOf(version);
  judge(document);
  const faults = (judge.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  if (document.spdxVersion !== `SPDX-${version}`) faults.push(`it is of ${document.spdxVersion}`);
  const ids = ['SPDXRef-DOCUMENT', ...[...document.packages, ...(document.files ?? [])].map(({ SPDXID }) => SPDXID)];
  if (new Set(ids).size !== ids.length) faults.push('an id is there twice');
  for (const id of ids) if (!/^SPDXRef-[A-Za-z0-9.-]+$/.test(id)) faults.push(`the id ${id} has other characters`);
  for (const { spdxElementId, relatedSpdxElement } of document.relationships)
    for (const id of [spdxElementId, relatedSpdxElement]) if (!ids.includes(id)) faults.push(`nothing has the id ${id}`);
  if (!document.relationships.some(({ relationshipType }) => relationshipType === 'DESCRIBES')) faults.push('it describes nothing');
  for (const { fileName, checksums } of document.files ?? [])
    if (!checksums.some(({ algorithm }) => algorithm === 'SHA1')) faults.push(`${fileName} has no SHA1`);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(document.creationInfo.created)) faults.push('its time is in another form');
  return faults;
}
