import { enginePlugins } from '../../engines/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { type Known, secretsIn } from './redact/index.ts';

/** Where other programs than engines keep credentials: read only to know what must not be shown, and never shown itself. */
const configurations: HostPath[] = [
  '/etc/kubernetes',
  '/etc/kata-containers',
  '/etc/systemd/system',
  '/run/systemd/system',
  '/etc/systemd/system.conf.d',
  '/etc/sysconfig',
  '/etc/default',
  '/etc/environment',
  '/etc/profile.d',
  '/etc/ostree',
  '/etc/NetworkManager/system-connections',
  '/var/lib/kubelet/config.json',
];

const most = { files: 600, bytes: 256 * 1024, depth: 6 };

/** What this host has of secrets, names and identifiers, as far as it can be read. */
export async function readKnown(host: HostView): Promise<Known> {
  const texts = await configurationTexts(host);
  const [hosts, users, ids] = await Promise.all([hostsOf(host), usersOf(host), idsOf(host)]);
  return {
    secrets: [...new Set(texts.flatMap((text) => [...secretsIn(text), ...environmentIn(text)]))],
    hosts: [...new Set([...hosts, ...texts.flatMap(hostsIn)])],
    users: [...new Set(users)],
    ids: [...new Set(ids)],
  };
}

async function configurationTexts(host: HostView): Promise<string[]> {
  const texts: string[] = [];
  const look = async (path: HostPath, depth: number): Promise<void> => {
    if (texts.length >= most.files) return;
    // A pipe or a device would never end; a link may point at a file of another program.
    const stat = await host.lstat(path).catch(() => undefined);
    const real = stat?.kind === 'symlink' ? await host.stat(path).catch(() => undefined) : stat;
    if (real?.kind === 'file' && real.sizeBytes <= most.bytes) {
      const text = await host.readText(path).catch(() => undefined);
      if (text !== undefined) texts.push(text);
    } else if (stat?.kind === 'directory' && depth < most.depth) {
      for (const name of await host.readdir(path).catch(() => [])) await look(`${path}/${name}`, depth + 1);
    }
  };
  const ofEngines = new Set(enginePlugins().flatMap(({ report }) => report.credentials));
  for (const path of [...ofEngines, ...configurations]) await look(path, 0);
  return texts;
}

/** Values of a unit's or a shell's environment, whatever their names: those that are no paths, flags or short words. */
function environmentIn(text: string): string[] {
  const values = [...text.matchAll(/(?:^|[\s"'=])[A-Z_][A-Z0-9_]+=["']?([^\s"']+)/gm)].map(([, value]) => value!);
  return values.filter(
    (value) => value.length >= 8 && !/^[-/$]/.test(value) && !/^[a-z-]+:\/\//.test(value) && /\d|[A-Z].*[a-z]|[a-z].*[A-Z]/.test(value),
  );
}

/** Hosts of URLs and of tables that are named after registries. */
function hostsIn(text: string): string[] {
  const urls = [...text.matchAll(/\b[a-z]+:\/\/(?:[^\s/"'@]*@)?([\p{L}\p{N}][\p{L}\p{N}._-]*)/giu)].map(([, name]) => name!);
  const tables = [...text.matchAll(/\b(?:mirrors|configs|registries)\.["']([^"'\n]+)["']/g)].map(([, name]) => name!.replace(/:\d+$/, ''));
  const lists = [
    ...text.matchAll(/^[ \t]*(?:location|server|prefix|NO_PROXY|no_proxy)[ \t]*=[ \t]*["']?([\p{L}\p{N}][\p{L}\p{N}._-]*)/gmu),
  ].map(([, name]) => name!);
  return [...urls, ...tables, ...lists].filter((name) => /\p{L}/u.test(name) && !isPublic(name));
}

function isPublic(name: string): boolean {
  return name === '_default' || /(?:^|\.)(?:docker|quay|k8s|kubernetes|ghcr|github|containerd)\.(?:io|com)$/i.test(name);
}

async function hostsOf(host: HostView): Promise<string[]> {
  const own = [await text(host, '/etc/hostname'), host.live ? await text(host, '/proc/sys/kernel/hostname') : ''];
  const table = (await text(host, '/etc/hosts')).split('\n').flatMap((line) => line.replace(/#.*/, '').trim().split(/\s+/).slice(1));
  const search = (await text(host, '/etc/resolv.conf'))
    .split('\n')
    .flatMap((line) => (/^(?:search|domain)\s/.test(line) ? line.trim().split(/\s+/).slice(1) : []));
  const registries = enginePlugins().flatMap(({ report }) => report.registries);
  const folders = (await Promise.all(registries.map((folder) => host.readdir(folder).catch(() => []))))
    .flat()
    .map((name) => name.replace(/[:_]\d+_?$/, ''));
  const names = [...own, ...table, ...search, ...folders].map((name) => name.trim()).filter((name) => name !== '' && !isPublic(name));
  // node1.example.org also is known as node1.
  return names.flatMap((name) => [name, name.split('.')[0]!]);
}

async function usersOf(host: HostView): Promise<string[]> {
  const rows = (await text(host, '/etc/passwd')).split('\n').map((line) => line.split(':'));
  const people = rows.filter(([, , uid]) => Number(uid) >= 1000 && Number(uid) < 65_000).map(([name]) => name!);
  const homes = (await Promise.all(['/home', '/var/home'].map((folder) => host.readdir(folder).catch(() => [])))).flat();
  return [...people, ...homes].filter((name) => name.length >= 2);
}

async function idsOf(host: HostView): Promise<string[]> {
  const paths = [
    '/etc/machine-id',
    '/var/lib/dbus/machine-id',
    ...(host.live ? ['/proc/sys/kernel/random/boot_id', '/sys/class/dmi/id/product_uuid'] : []),
  ];
  const ids = await Promise.all(paths.map((path) => text(host, path)));
  return ids.map((id) => id.trim()).filter((id) => id.length >= 16);
}

async function text(host: HostView, path: HostPath): Promise<string> {
  const stat = await host.stat(path).catch(() => undefined);
  return stat?.kind === 'file' ? ((await host.readText(path).catch(() => undefined)) ?? '') : '';
}
