import { posix } from 'node:path';
import { parseDocument, requireBoundedSet, type TomlDocument } from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView, type Overlay } from '../common/filesView.ts';
import { unsupported } from '../common/unsupported.ts';
import type { Instance } from '../types.ts';
import { usualFolder } from './daemon.ts';

export interface LoadedFile {
  path: HostPath;
  doc: TomlDocument;
}

/** What the daemon reads, in its order: later files win. */
export interface ConfigSet {
  files: LoadedFile[];
  /** The folder of drop-ins and the folders in it. */
  folders: HostPath[];
}

export function folderOf(instance: Instance): HostPath {
  return instance.configFolder ?? usualFolder;
}

/**
 * Loads the files by CRI-O's rules (docs/facts/crio.md#files-and-their-order): the main file, then every file in the folder whatever its
 * name, with Go's filepath.Walk: in the order of the names, folders in their place, links to files followed. A link to a folder, or one
 * that leads nowhere, keeps the daemon from starting. Throws engine-config-invalid, engine-unsupported.
 */
export async function loadSet(host: HostView, instance: Instance, overlay: Overlay = new Map()): Promise<ConfigSet> {
  const view = filesView(host, overlay);
  const set: ConfigSet = { files: [], folders: [] };
  const main = instance.configPath;
  if (!(await isDevice(host, main))) {
    await refuseOddity(host, main);
    const content = await view.read(main);
    if (content) set.files.push({ path: main, doc: parseDocument(content.text, main) });
  }
  const folder = folderOf(instance);
  await checkFolder(host, folder);
  const real = await host.realpath(folder);
  await walk(real);
  return set;

  async function walk(at: HostPath): Promise<void> {
    if ((await host.stat(at))?.kind === 'directory') set.folders.push(at);
    for (const name of await view.list(at)) {
      const path = posix.join(at, name);
      const added = overlay.get(path);
      if (added === undefined && (await host.lstat(path))?.kind === 'directory') {
        await walk(path);
        continue;
      }
      if (added === undefined) await refuseOddity(host, path);
      const content = await view.read(path);
      if (content === undefined) throw invalid(path, `${path} is a link that leads nowhere`);
      set.files.push({ path, doc: parseDocument(content.text, path) });
      requireBoundedSet(set.files, main);
    }
  }
}

async function isDevice(host: HostView, path: HostPath): Promise<boolean> {
  return path === '/dev/null' || (await host.stat(path))?.kind === 'other';
}

/** What the daemon would stumble over, or wait for. */
async function refuseOddity(host: HostView, path: HostPath): Promise<void> {
  const kind = (await host.stat(path))?.kind;
  if (kind === 'directory') throw invalid(path, `${path} is a folder (or a link to one), but the engine would read it as a file`);
  if (kind === 'other') throw invalid(path, `${path} is a device, pipe or socket`);
}

async function checkFolder(host: HostView, folder: HostPath): Promise<void> {
  const stat = await host.lstat(folder);
  if (!stat || stat.kind === 'directory') return;
  const what = stat.kind === 'symlink' ? 'a symbolic link, which CRI-O does not follow' : 'no folder';
  throw unsupported(
    folder,
    `${folder} is ${what}.`,
    'A folder of drop-in files, of its own.',
    `Put an ordinary folder in its place, or name the real one by --config-dir in crio.service.`,
  );
}

function invalid(path: HostPath, found: string): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `${found}: the daemon would refuse to start.`,
    needed: 'A folder in which every entry is a TOML file or a folder of such: CRI-O reads them all, whatever their names.',
    next: `Move ${path} elsewhere.`,
  });
}
