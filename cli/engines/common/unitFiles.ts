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

export async function firstThere(host: HostView, paths: readonly HostPath[]): Promise<HostPath | undefined> {
  for (const path of paths) if ((await host.stat(path))?.kind === 'file') return path;
  return undefined;
}

/** The file of a unit, without a bus. */
export async function unitFile(host: HostView, unit: Unit): Promise<HostPath | undefined> {
  return firstThere(
    host,
    unitFolders.map((folder) => `${folder}/${unit}`),
  );
}

/**
 * The texts of a unit and of its drop-ins, in the order in which they take effect: drop-ins by their names, whatever folder they lie in, and of
 * two of one name that of the first folder (systemd.unit(5)). `without`: a drop-in that does not count.
 */
export async function unitTexts(host: HostView, unit: Unit, without?: HostPath): Promise<string[]> {
  const file = await unitFile(host, unit);
  const found = new Map<string, HostPath>();
  for (const drops of [`${unit}.d`, `${unit.slice(unit.lastIndexOf('.') + 1)}.d`])
    for (const folder of unitFolders)
      for (const name of await host.readdir(`${folder}/${drops}`)) {
        const path = `${folder}/${drops}/${name}`;
        if (name.endsWith('.conf') && path !== without && !found.has(name)) found.set(name, path);
      }
  const paths = [...found].sort(([a], [b]) => byBytes(a, b)).map(([, path]) => path);
  const masked = await Promise.all(paths.map(async (path) => (await host.readlink(path)) === '/dev/null'));
  return readTexts(host, [...(file === undefined ? [] : [file]), ...paths.filter((_, index) => !masked[index])]);
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
export async function startOfUnit(host: HostView, unit: Unit, without?: HostPath): Promise<string | undefined> {
  return serviceValues(await unitTexts(host, unit, without), 'ExecStart').at(-1);
}
