import type { Generated, OutputKind, Source } from '../../generate/index.ts';
import { type Digest, digestOf } from '../../host/index.ts';
import { bytes } from '../../output/index.ts';
import type { Reply } from '../types.ts';

/** A file that was written. */
export interface Made {
  name: string;
  sizeBytes: number;
  digest: Digest;
}

export function asMade(file: Generated): Made {
  return { name: file.name, sizeBytes: Buffer.byteLength(file.text), digest: digestOf(file.text) };
}

/** What was made, and what has to be put where. */
export function reply(kind: OutputKind, target: string, folder: string, files: Made[], sources: Source[]): Reply {
  return {
    kind: 'Files',
    made: true,
    body: { output: kind, target, folder, files, sources },
    text: [
      ...files.map(({ name, sizeBytes }) => `✓ ${folder}/${name} · ${bytes(sizeBytes)}`),
      kind === 'containerfile' ? 'Put beside them, unchanged:' : 'The nodes fetch, and take no other bytes:',
      ...sources.map(({ name, url, digest }) => `  ${url ?? name} · ${digest}`),
    ],
  };
}
