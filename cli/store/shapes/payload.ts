import { exactOptional, lazy } from 'valibot';
import type { SourceRecord, TreeEntry } from '../../bundle/types.ts';
import {
  absolutePath,
  count,
  digest,
  listOf,
  misfitOf,
  oneOf,
  permissions,
  plainName,
  relativePath,
  type Shape,
  tableOf,
  text,
  valueLike,
} from '../../documents/shapes.ts';
import type { ImageFormat } from '../../images/types.ts';
import type { LaidHandler } from '../../layout/types.ts';
import { insideExtension } from '../paths.ts';
import type { PayloadManifest } from '../types.ts';

const kind = oneOf('file', 'directory', 'symlink');
const path = relativePath;
const mode = permissions;
const file = tableOf({ path, kind, mode, sizeBytes: count, digest });
const symlink = tableOf({ path, kind, mode, target: text });
const directory = tableOf({ path, kind, mode });
const byKind: Record<TreeEntry['kind'], Shape<TreeEntry>> = { file, symlink, directory };

/** What an entry has to have depends on its kind. */
const treeEntry: Shape<TreeEntry> = lazy((entry) => {
  const name = typeof entry === 'object' && entry !== null && 'kind' in entry ? entry.kind : undefined;
  return typeof name === 'string' && Object.hasOwn(byKind, name) ? byKind[name as TreeEntry['kind']] : directory;
});

export const sources: Shape<SourceRecord[]> = listOf(tableOf({ name: text, digest, sizeBytes: count }));

const handlers: Shape<LaidHandler[]> = listOf(
  tableOf({
    name: plainName,
    release: text,
    family: oneOf('go', 'rust'),
    hypervisor: text,
    shim: relativePath,
    protocol: exactOptional(count),
    configuration: relativePath,
    files: listOf(relativePath),
  }),
);

/** Where the release's tree lies in a stored payload: the folder of the extension is the part before. */
export const treeFolder = valueLike<string>(
  `an absolute path that ends with /${insideExtension}`,
  (value) => misfitOf(absolutePath, value) === undefined && String(value).endsWith(`/${insideExtension}`),
);

export const payloadManifest: Shape<PayloadManifest> = tableOf({
  schema: count,
  digest,
  root: absolutePath,
  folder: treeFolder,
  extension: tableOf({ folder: absolutePath, release: text }),
  image: exactOptional(tableOf({ format: oneOf<ImageFormat>('squashfs', 'erofs'), sizeBytes: count, digest })),
  release: text,
  sources,
  handlers,
  defaultHandler: text,
  available: listOf(text),
  entries: listOf(treeEntry),
  sizeBytes: count,
  savedBytes: count,
});
