import { readTexts } from '../../host/index.ts';
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

/** The texts of a unit and of its drop-ins, in the order in which they take effect. */
export async function unitTexts(host: HostView, unit: Unit): Promise<string[]> {
  const file = await unitFile(host, unit);
  const paths = file === undefined ? [] : [file];
  for (const folder of [...unitFolders].reverse()) {
    const names = (await host.readdir(`${folder}/${unit}.d`)).filter((name) => name.endsWith('.conf'));
    paths.push(...names.map((name) => `${folder}/${unit}.d/${name}`));
  }
  return readTexts(host, paths);
}

/** The last ExecStart= of a unit, word for word; an empty one clears those before it (systemd.service(5)). */
export async function startOfUnit(host: HostView, unit: Unit): Promise<string | undefined> {
  const text = (await unitTexts(host, unit)).join('\n').replaceAll('\\\n', ' ');
  let last: string | undefined;
  for (const [, command] of text.matchAll(/^[ \t]*ExecStart=[ \t]*(.*)$/gm)) last = command === '' ? undefined : command;
  return last;
}
