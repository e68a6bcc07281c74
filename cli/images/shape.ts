import { exactOptional } from 'valibot';
import { count, digest, listOf, mapOf, oneOf, type Shape, tableOf, text } from '../documents/shapes.ts';
import type { ImageFormat, ImageManifest } from './types.ts';

/** The manifest that an image carries, possibly a hostile one; `requireSane` asks what its names and paths may be. */
export const imageManifest: Shape<ImageManifest> = tableOf({
  schema: count,
  format: oneOf<ImageFormat>('squashfs', 'erofs'),
  payload: digest,
  architecture: text,
  release: text,
  sources: listOf(tableOf({ name: text, digest, sizeBytes: count })),
  handlers: listOf(
    tableOf({
      name: text,
      release: text,
      family: oneOf('go', 'rust'),
      hypervisor: text,
      shim: text,
      protocol: exactOptional(count),
      configuration: text,
      files: listOf(text),
    }),
  ),
  defaultHandler: text,
  available: listOf(text),
  savedBytes: count,
  extensionRelease: text,
  contents: listOf(
    tableOf({
      path: text,
      kind: oneOf('file', 'directory', 'symlink'),
      mode: count,
      sizeBytes: exactOptional(count),
      digest: exactOptional(digest),
      target: exactOptional(text),
      context: text,
    }),
  ),
  texts: mapOf(text),
  epoch: count,
  tool: text,
  program: text,
  filesystem: tableOf({ sizeBytes: count, digest }),
});
