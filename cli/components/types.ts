import { exactOptional } from 'valibot';
import { absolutePath, count, digest, listOf, oneOf, plainName, relativePath, type Shaped, tableOf, text } from '../documents/shapes.ts';
import type { LaidHandler } from '../layout/types.ts';

/** The parts of a handler that a user may bring: each is a key of the handler's [hypervisor] table. */
export const componentKinds = ['kernel', 'image', 'initrd', 'firmware'] as const;
export type ComponentKind = (typeof componentKinds)[number];

/** What a handler has in place of files of the release, as manifests of payloads, generations and images keep it. */
export type Own = Shaped<typeof ownShape>;
export const ownShape = tableOf({
  /** The handler of the release that it is like else, by its installed name: 'kata-qemu'. */
  base: plainName,
  files: listOf(
    tableOf({
      kind: oneOf<ComponentKind>(...componentKinds),
      /** As the user named it, without folders. */
      name: text,
      /** In the payload. */
      path: relativePath,
      digest,
      sizeBytes: count,
      /** Where the file was on this machine, for the command that brings an installation back. Only in generations. */
      place: exactOptional(absolutePath),
    }),
  ),
});
export type OwnFile = Own['files'][number];

/** A handler of a payload. */
export interface PayloadHandler extends LaidHandler {
  /** Only of a handler with files of the user. */
  own?: Own | undefined;
}

/** A file that a handler has in place of one of the release. */
export interface PlannedComponent extends Pick<OwnFile, 'kind' | 'name' | 'digest' | 'sizeBytes'> {
  handler: string;
  /** The handler of the release that it is like else. */
  base: string;
  /** The active generation has it as well. */
  kept: boolean;
}

/** What the command line says of one alias with files of the user. */
export interface OwnWanted {
  name: string;
  /** Installed name; undefined: as it is, or the release's default handler. */
  base?: string | undefined;
  /** Real paths on this machine. */
  files: { kind: ComponentKind; file: string }[];
}

/** A handler that staging adds to a release. */
export interface OwnRequest {
  name: string;
  base?: string | undefined;
  files: OwnSource[];
}

/** A file that staging copies. */
export interface OwnSource {
  kind: ComponentKind;
  name: string;
  /** Of the user: a real path on this machine. */
  file?: string;
  /** Of an installed alias: paths on the host that may have its bytes, and their digest. */
  kept?: { paths: string[]; digest: Shaped<typeof digest> };
}
