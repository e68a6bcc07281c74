import { posix } from 'node:path';
import { parseJson } from '../../../documents/index.ts';
import { isTable, parseDocument, topLevelValue } from '../../../documents/toml/index.ts';
import { KataError, pathWord } from '../../../errors/index.ts';
import type { HostPath, HostView } from '../../../host/index.ts';
import { viewWithout } from '../../../planning/displaced.ts';
import type { Found } from '../../../planning/types.ts';
import { engineTable } from './places.ts';
import type { Deployed } from './types.ts';

/** Of all engines together; each is read and parsed. */
const mostFiles = 500;

/** What goes, and the files of engines as they are without kata-deploy. */
type Going = Pick<Deployed, 'destinations' | 'links' | 'files'>;

/** What a value may name that goes: a place in a release by any of its names, or a link into one. */
interface Places {
  folders: HostPath[];
  links: HostPath[];
}

/** Files of engines that lead into a destination and are not kata-deploy's: its removal would break what they name. */
export async function refuseNamed(host: HostView, going: Going): Promise<void> {
  const places = await placesOf(host, going);
  for (const path of await filesOfEngines(host)) {
    const real = await host.realpath(path);
    if (places.folders.some((folder) => isBelow(real, folder))) continue;
    if ((await host.stat(real))?.kind !== 'file' || isRendered(path)) continue;
    const planned = going.files.find((file) => file.path === real);
    const text = planned === undefined ? await host.readText(real, 'configuration') : planned.after;
    const key = text === undefined ? undefined : keyInText(text, path, places);
    if (key !== undefined) throw named(host, path, key);
  }
}

/** The same by all files that an engine reads, and for runtimes that it finds by the name of their type. */
export async function refuseNeeded(host: HostView, going: Going, engines: readonly Found[]): Promise<void> {
  const places = await placesOf(host, going);
  const view = viewWithout(host, { files: going.files, keys: [] });
  for (const { engine, instance } of engines) {
    const tables = (await engine.readSettings?.(view, instance).catch(() => [])) ?? [];
    for (const table of tables) {
      const key = keyIn(table, [], places);
      if (key !== undefined) throw named(host, instance.configPath, key);
    }
  }
}

async function placesOf(host: HostView, { destinations, links }: Going): Promise<Places> {
  const real = await Promise.all(destinations.map((path) => host.realpath(path)));
  return { folders: [...new Set([...destinations, ...real])], links: links.map(({ path }) => path) };
}

/** Main files, drop-ins, templates, what main files import, and what is beside them. */
async function filesOfEngines(host: HostView): Promise<HostPath[]> {
  const folders = new Set<HostPath>();
  for (const { main, folders: dropIns } of engineTable.engines) {
    for (const path of main) folders.add(posix.dirname(path));
    for (const folder of dropIns) folders.add(folder).add(posix.dirname(folder));
  }
  const found = [...engineTable.otherFiles];
  const add = async (folder: HostPath, fits: (name: string) => boolean) => {
    for (const name of await host.readdir(folder).catch(() => [])) if (fits(name)) found.push(`${folder}/${name}`);
  };
  for (const folder of folders) await add(folder, (name) => /\.(?:toml|tmpl)$/.test(name));
  for (const folder of await importedFolders(host, found)) if (!folders.has(folder)) await add(folder, (name) => name.endsWith('.toml'));
  await add(engineTable.wholeFiles.folder, () => true);
  if (found.length > mostFiles) throw tooMany(found.length);
  return found;
}

function tooMany(count: number): KataError {
  return new KataError('adopt-unproven', {
    subject: 'kata-deploy',
    found: `the folders of engines, and those that their files import, have ${count} files`,
    needed: `at most ${mostFiles}, to look in each whether it needs the release of kata-deploy`,
    next: 'move what no engine reads out of these folders: ls /etc/containerd /etc/crio/crio.conf.d',
  });
}

async function importedFolders(host: HostView, paths: readonly HostPath[]): Promise<Set<HostPath>> {
  const found = new Set<HostPath>();
  for (const path of paths) {
    const text = path.endsWith('.toml') ? await host.readText(path, 'configuration').catch(() => undefined) : undefined;
    for (const pattern of text === undefined ? [] : importsOf(text, path))
      found.add(posix.resolve(posix.dirname(path), posix.dirname(pattern)));
    // An engine reads no more files than that: no folder is listed for a text of thousands.
    if (found.size > mostFiles) throw tooMany(found.size);
  }
  return found;
}

function importsOf(text: string, path: HostPath): string[] {
  try {
    const list = topLevelValue(parseDocument(text, path), 'imports');
    const elements = list?.type === 'TOMLArray' ? list.elements : [];
    return elements.flatMap((node) => (node.type === 'TOMLValue' && typeof node.value === 'string' ? [node.value] : []));
  } catch {
    return [];
  }
}

/** The key whose value needs what goes. Of a text that is neither TOML nor JSON: the line. */
function keyInText(text: string, path: HostPath, places: Places): string | undefined {
  for (const read of [() => parseDocument(text, path).value, () => parseJson(text)]) {
    try {
      return keyIn(read(), [], places);
    } catch {
      // Another language.
    }
  }
  const line = text.split('\n').find((each) => !/^\s*#/.test(each) && isGoing(each, places));
  return line?.trim().split(/\s*[=:]/)[0];
}

/** The path of the first key whose value needs what goes. */
function keyIn(value: unknown, above: readonly string[], places: Places): string | undefined {
  if (typeof value === 'string') return isGoing(value, places) ? above.join('.') : undefined;
  if (Array.isArray(value)) return value.map((each) => keyIn(each, above, places)).find((each) => each !== undefined);
  if (typeof value !== 'object' || value === null || value instanceof Date) return undefined;
  for (const [key, each] of Object.entries(value)) {
    const found = keyIn(each, [...above, key], places);
    if (found !== undefined) return found;
  }
  return isTable(value) && isByType(value, places) ? [...above, 'runtime_type'].join('.') : undefined;
}

function isGoing(text: string, { folders, links }: Places): boolean {
  return links.includes(text) || folders.some((folder) => isBelow(text, folder));
}

/** Anywhere in the text, so that an argument of a command counts. */
function isBelow(text: string, folder: HostPath): boolean {
  for (let at = text.indexOf(`${folder}/`); at >= 0; at = text.indexOf(`${folder}/`, at + 1))
    if (!/[\w./-]/.test(text[at - 1] ?? '')) return true;
  return false;
}

/** A runtime without a path: the engine looks for the program that its type names (containerd, core/runtime/v2: io.containerd.NAME.VERSION). */
function isByType(table: Record<string, unknown>, { links }: Places): boolean {
  const { runtime_type: type, runtime_path: path } = table;
  const [, name, version] = /^io\.containerd\.([\w-]+)\.(v\d+)$/.exec(typeof type === 'string' ? type : '') ?? [];
  if (name === undefined || (typeof path === 'string' && path !== '')) return false;
  return links.some((link) => posix.basename(link) === `containerd-shim-${name}-${version}`);
}

/** k3s and RKE2 write this file again at each start, from what is beside it. */
function isRendered(path: HostPath): boolean {
  return /^\/var\/lib\/rancher\/[a-z0-9]+\/agent\/etc\/containerd\/config\.toml$/.test(path);
}

function named(host: HostView, path: HostPath, key: string): KataError {
  return new KataError('adopt-unproven', {
    subject: path,
    found: `${path} leads into the release of kata-deploy (${key}), in a form that kata-deploy does not write`,
    needed: 'no other file that needs the release: it is removed',
    next: `grep -n kata ${pathWord(host, path)}; take it out or point it elsewhere, restart the engine, and try again`,
  });
}
