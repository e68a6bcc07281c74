import { join } from 'node:path';
import type { SpdxInput } from '../../cli/sbom/index.ts';
import { run } from '../../spec/lab/run.ts';
import { type Arch, nodeArchive, nodeFolder } from '../single/node.ts';
import type { Bundled } from './bundled.ts';

type Part = SpdxInput['packages'][number];

/** An artefact, and the keys of what is in it. */
export interface Contents {
  /** The name of its file. */
  file: string;
  sha256: string;
  title: Partial<Part>;
  parts: { packages: Part[]; relationships: SpdxInput['relationships'] };
}

/** A part of Node's own build, by `process.versions`. */
export interface Component {
  name: string;
  version: string;
}

/** What Node's build has inside, in the order of its names. Both architectures are built of the same sources. */
export async function nodeComponents(): Promise<Component[]> {
  const node = join(await nodeFolder(process.arch as Arch), 'node');
  const { stdout } = await run([node, '-p', 'JSON.stringify(process.versions)'], { env: { NODE_OPTIONS: '' } });
  return Object.entries(JSON.parse(stdout) as Record<string, string>)
    .filter(([name]) => !['node', 'modules', 'napi'].includes(name))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, version]) => ({ name, version }));
}

/** The npm packages inside an artefact with this key. */
export function packagesIn(key: string, bundled: readonly Bundled[]): Contents['parts'] {
  return {
    packages: bundled.map((each) => ({
      key: keyOf(each),
      name: each.name,
      version: each.version,
      licence: each.licence,
      digests: { sha512: each.sha512 },
      purl: npmUrl(each.name, each.version),
      purpose: 'LIBRARY',
    })),
    relationships: bundled.map((each) => ({ from: key, type: 'CONTAINS', to: keyOf(each) })),
  };
}

/** Node with its own parts, inside an artefact with this key. */
export function nodeIn(key: string, arch: Arch, components: readonly Component[]): Contents['parts'] {
  const { name, version, sha512 } = nodeArchive(arch);
  const parts = components.map(
    (each): Part => ({
      key: `node-${each.name}`,
      name: each.name,
      version: each.version,
      sourceInfo: 'named by process.versions of this build of Node.js',
      purl: `pkg:generic/${encodeURIComponent(each.name)}@${encodeURIComponent(each.version)}`,
      purpose: 'LIBRARY',
    }),
  );
  const node: Part = {
    key: 'node',
    name: 'node',
    version,
    licence: 'MIT',
    comment: 'The licences of its parts are in THIRD-PARTY-LICENSES. Symbols and debug sections were removed from this build.',
    digests: { sha512 },
    purl: npmUrl(name, version),
    purpose: 'FRAMEWORK',
  };
  return {
    packages: [node, ...parts],
    relationships: [
      { from: key, type: 'CONTAINS', to: 'node' },
      ...parts.map((part) => ({ from: 'node', type: 'CONTAINS' as const, to: part.key })),
    ],
  };
}

export function npmUrl(name: string, version: string): string {
  return `pkg:npm/${name.replace(/^@/, '%40')}@${version}`;
}

function keyOf({ name, version }: Bundled): string {
  return `${name}@${version}`;
}
