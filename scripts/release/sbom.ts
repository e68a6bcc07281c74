import { type SpdxInput, spdxText } from '../../cli/sbom/index.ts';
import type { Contents } from './contents.ts';

type Version = SpdxInput['version'];

/** The ending of a document's name; a name without a version is the newest form. */
const endings: Record<Version, string> = { '2.2': 'spdx-2.2.json', '2.3': 'spdx.json' };

/**
 * The SPDX documents of an artefact, by the names of their files. Pure: the namespace is made of the artefact's own digest, and the time is
 * that of the commit.
 */
export function sbomsOf({ file, sha256, title, parts }: Contents, version: string, seconds: number): Record<string, string> {
  const artefact: SpdxInput['packages'][number] = {
    key: file,
    name: 'kata-sysext',
    version,
    licence: 'Apache-2.0',
    purpose: 'APPLICATION',
    fileName: file,
    digests: { sha256 },
    ...title,
  };
  const documents = Object.entries(endings).map(([spdx, ending]): [string, string] => {
    const text = spdxText({
      version: spdx as Version,
      name: file,
      namespace: `https://spdx.org/spdxdocs/${file}-${sha256}-${spdx}`,
      createdSeconds: seconds,
      creators: [`Tool: kata-sysext-release-${version}`],
      describes: [file],
      packages: [artefact, ...parts.packages],
      relationships: parts.relationships,
    });
    return [`${file}.${ending}`, text];
  });
  return Object.fromEntries(documents);
}
