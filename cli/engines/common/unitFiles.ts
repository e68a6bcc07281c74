import { posix } from 'node:path';
import { byBytes, readTexts } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';

/** The first wins, as for systemd. */
const unitFolders = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/run/systemd/generator',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

const enablingFolders = ['/etc/systemd/system', '/usr/local/lib/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system'];
const maxFolders = 100;

export async function firstThere(host: HostView, paths: readonly HostPath[]): Promise<HostPath | undefined> {
  for (const path of paths) if ((await host.stat(path))?.kind === 'file') return path;
  return undefined;
}

/** A file, or a folder with something in it. */
export async function isLeft(host: HostView, path: HostPath): Promise<boolean> {
  const stat = await host.stat(path);
  return stat !== undefined && (stat.kind !== 'directory' || (await host.readdir(path)).length > 0);
}

/** The file of a unit, without a bus. */
export async function unitFile(host: HostView, unit: Unit): Promise<HostPath | undefined> {
  return firstThere(
    host,
    unitFolders.map((folder) => `${folder}/${unit}`),
  );
}

/** Its file, unless the administrator masked it. */
export async function isThere(host: HostView, unit: Unit): Promise<boolean> {
  for (const folder of ['/etc/systemd/system', '/run/systemd/system'])
    if ((await host.readlink(`${folder}/${unit}`)) === '/dev/null') return false;
  return (await unitFile(host, unit)) !== undefined;
}

/** Units that a target or another unit starts, with the link that says so. */
export async function wantedUnits(host: HostView): Promise<Map<Unit, HostPath>> {
  const found = new Map<Unit, HostPath>();
  for (const folder of enablingFolders) {
    const wants = (await host.readdir(folder)).filter((name) => /\.(?:wants|requires|upholds)$/.test(name));
    for (const name of wants.slice(0, maxFolders)) {
      for (const unit of await host.readdir(`${folder}/${name}`)) if (!found.has(unit)) found.set(unit, `${folder}/${name}/${unit}`);
    }
  }
  return found;
}

/** A drop-in in /etc/systemd/system as it would be; without a text it does not count. */
export interface OwnDropIn {
  path: HostPath;
  text?: string;
}

/**
 * The drop-ins of a unit in the order in which they take effect: by their names, whatever folder they lie in, and of two of one name that of
 * the first folder (systemd.unit(5)).
 */
export async function dropInsOf(host: HostView, unit: Unit, own?: OwnDropIn): Promise<HostPath[]> {
  const found = new Map<string, HostPath>(own?.text === undefined ? [] : [[posix.basename(own.path), own.path]]);
  for (const drops of [`${unit}.d`, `${unit.slice(unit.lastIndexOf('.') + 1)}.d`])
    for (const folder of unitFolders)
      for (const name of await host.readdir(`${folder}/${drops}`)) {
        const path = `${folder}/${drops}/${name}`;
        if (name.endsWith('.conf') && path !== own?.path && !found.has(name)) found.set(name, path);
      }
  const paths = [...found].sort(([a], [b]) => byBytes(a, b)).map(([, path]) => path);
  const masked = await Promise.all(paths.map(async (path) => path !== own?.path && (await host.readlink(path)) === '/dev/null'));
  return paths.filter((_, index) => !masked[index]);
}

/** The texts of a unit and of its drop-ins, in the order in which they take effect. */
export async function unitTexts(host: HostView, unit: Unit, own?: OwnDropIn): Promise<string[]> {
  const file = await unitFile(host, unit);
  const paths = [...(file === undefined ? [] : [file]), ...(await dropInsOf(host, unit, own))];
  const at = own === undefined ? -1 : paths.indexOf(own.path);
  if (at < 0) return readTexts(host, paths);
  return [...(await readTexts(host, paths.slice(0, at))), own?.text ?? '', ...(await readTexts(host, paths.slice(at + 1)))];
}

/** What the texts say of a key of [Service], word for word; an empty value clears those before it (systemd.service(5)). */
export function serviceValues(texts: readonly string[], key: string): string[] {
  let values: string[] = [];
  for (const text of texts) {
    let section = '';
    for (const line of joined(text)) {
      section = /^\[(?<name>[^\]]*)\]\s*$/.exec(line)?.groups?.['name'] ?? section;
      const at = line.indexOf('=');
      if (section !== 'Service' || at === -1 || line.slice(0, at).trim() !== key) continue;
      const value = line.slice(at + 1).trim();
      values = value === '' ? [] : [...values, value];
    }
  }
  return values;
}

/** Lines of a unit file: a backslash at the end joins the next one, across comments. */
function joined(text: string): string[] {
  const lines: string[] = [];
  let open = '';
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (/^[#;]/.test(line)) continue;
    const goesOn = line.endsWith('\\');
    open += goesOn ? `${line.slice(0, -1)} ` : line;
    if (goesOn) continue;
    lines.push(open);
    open = '';
  }
  return open === '' ? lines : [...lines, open];
}

/** The last ExecStart= of a unit, word for word. */
export async function startOfUnit(host: HostView, unit: Unit): Promise<string | undefined> {
  return serviceValues(await unitTexts(host, unit), 'ExecStart').at(-1);
}
