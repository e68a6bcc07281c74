import { posix } from 'node:path';
import { decodeUtf8 } from '../../documents/index.ts';
import { errnoOf, KataError } from '../../errors/index.ts';
import { byBytes } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';

/** Files as they would be: by real path, their new text, or 'absent'. */
export type Overlay = ReadonlyMap<HostPath, string | 'absent'>;

/** What the loader reads through: the host's files, some of them replaced in thought. */
export interface FilesView {
  /** The file's real path and text; undefined when nothing is there. */
  read(path: HostPath): Promise<{ real: HostPath; text: string } | undefined>;
  list(folder: HostPath): Promise<string[]>;
  exists(path: HostPath): Promise<boolean>;
}

export function filesView(host: HostView, overlay: Overlay = new Map()): FilesView {
  return {
    async read(path) {
      const real = await host.realpath(path);
      const thought = overlay.get(real);
      if (thought !== undefined) return thought === 'absent' ? undefined : { real, text: thought };
      try {
        return { real, text: decodeUtf8(await host.readFile(real, 'configuration'), path) };
      } catch (error) {
        if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
        if (errnoOf(error) === 'EISDIR') throw folderThere(path);
        throw error;
      }
    },
    async list(folder) {
      const real = await host.realpath(folder);
      const names = new Set(await namesIn(host, real));
      for (const [path, text] of overlay) {
        if (posix.dirname(path) !== real) continue;
        if (text === 'absent') names.delete(posix.basename(path));
        else names.add(posix.basename(path));
      }
      return [...names].sort(byBytes);
    },
    async exists(path) {
      const thought = overlay.get(await host.realpath(path));
      return thought === undefined ? (await host.lstat(path)) !== undefined : thought !== 'absent';
    },
  };
}

function folderThere(path: HostPath): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `${path} is a folder, but the engine would read it as a file.`,
    needed: 'A configuration that the engine itself can load.',
    next: `Rename ${path}.`,
  });
}

async function namesIn(host: HostView, folder: HostPath): Promise<string[]> {
  const stat = await host.stat(folder);
  return stat?.kind === 'directory' ? host.readdir(folder) : [];
}
