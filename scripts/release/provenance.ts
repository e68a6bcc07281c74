import type { Arch } from '../single/node.ts';
import { nodeArchive } from '../single/node.ts';
import type { Bundled } from './bundled.ts';
import { npmUrl } from './contents.ts';
import type { Source } from './source.ts';

/** What all artefacts of a release have in common. */
export interface Build {
  version: string;
  source: Source;
  /** The repository, where package.json names one. */
  repository: string | undefined;
  /** A URI: who ran the build. */
  builder: string;
  level: number;
  /** First line of `--version`: what they compile is in the program. */
  compilers: Record<string, string>;
  /** Packages whose code is in the program, and those that make it. */
  bundled: readonly Bundled[];
  makers: readonly Bundled[];
}

interface Descriptor {
  name?: string;
  uri?: string;
  digest?: Record<string, string>;
}

/**
 * An in-toto statement (v1) with a predicate of SLSA (v1) for a file. It is not signed by itself: SHA256SUMS has its digest. No time of the
 * run and no path of the machine is in it, so that the same sources give the same bytes. Pure.
 *
 * @param nodes the architectures whose build of Node is in the file
 */
export function provenanceOf(file: { name: string; sha256: string }, build: Build, nodes: readonly Arch[]): string {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: file.name, digest: { sha256: file.sha256 } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:x-kata-sysext:npm-run-release:1',
        externalParameters: { command: 'npm run release', version: build.version, level: build.level },
        internalParameters: { compilers: build.compilers, uncommittedChanges: build.source.changed },
        resolvedDependencies: [
          sourceDescriptor(build),
          ...nodes.map(nodeDescriptor),
          ...[...build.bundled, ...build.makers].map(packageDescriptor),
        ],
      },
      runDetails: { builder: { id: build.builder } },
    },
  };
  return `${JSON.stringify(statement, undefined, 2)}\n`;
}

function sourceDescriptor({ repository, source }: Build): Descriptor {
  const digest = { gitCommit: source.commit };
  return repository === undefined ? { name: 'kata-sysext', digest } : { name: 'kata-sysext', uri: `git+${repository}`, digest };
}

function nodeDescriptor(arch: Arch): Descriptor {
  const { name, version, sha512 } = nodeArchive(arch);
  return { uri: npmUrl(name, version), digest: { sha512 } };
}

function packageDescriptor({ name, version, sha512 }: Bundled): Descriptor {
  return { uri: npmUrl(name, version), ...(sha512 === undefined ? {} : { digest: { sha512 } }) };
}
