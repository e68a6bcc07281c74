import { digestOf } from '../host/index.ts';
import { handlerTable, installedName } from '../layout/index.ts';
import { damaged } from './trailer.ts';
import type { ImageManifest } from './types.ts';

const plainPath = /^(?!\.{1,2}(\/|$))[^/\0]+(\/(?!\.{1,2}(\/|$))[^/\0]+)*$/;

/**
 * Refuses a manifest whose names would lead out of kata-sysext's folders, whose files no archive may have, whose handlers are none, or
 * whose texts are not the files of the image that they are copies of: what it says is written to the host. `inside` is where the release's
 * tree is in the image. Throws `image-damaged`.
 */
export function requireSane(path: string, manifest: ImageManifest, inside: string): void {
  const files = new Set(manifest.contents.map((entry) => entry.path));
  const wrong =
    manifest.contents.find((entry) => !plainPath.test(entry.path) || !isPlain(entry))?.path ??
    Object.keys(manifest.texts).find((text) => !files.has(`${inside}/${text}`)) ??
    manifest.handlers.find((handler) => !isKnown(handler) || !files.has(`${inside}/${handler.shim}`))?.name ??
    manifest.handlers.find(({ configuration }) => manifest.texts[configuration] === undefined)?.configuration;
  if (wrong !== undefined) throw damaged(path, `its manifest names ${JSON.stringify(wrong)}, which cannot be`);
  const digests = new Map(manifest.contents.map((entry) => [entry.path, entry.digest]));
  const other = Object.entries(manifest.texts).find(([name, text]) => digests.get(`${inside}/${name}`) !== digestOf(text));
  if (other !== undefined)
    throw damaged(path, `the text of ${JSON.stringify(other[0])} in its manifest is not the file that its contents list`);
}

/** As the members of an archive have to be: no set-id bits, nothing that others may write. */
function isPlain({ kind, mode }: ImageManifest['contents'][number]): boolean {
  return kind === 'symlink' || ((kind === 'file' || kind === 'directory') && (mode & ~0o755) === 0);
}

function isKnown({ name, release, family }: ImageManifest['handlers'][number]): boolean {
  return handlerTable.handlers.some((row) => row.name === release && installedName(row.name) === name && row.family === family);
}
