import { posix } from 'node:path';
import { commandWord, type Finding } from '../../../errors/index.ts';
import type { HostPath, HostView } from '../../../host/index.ts';
import { emptyImports, engineParts } from './engines.ts';
import { refuseNamed } from './needed.ts';
import {
  destination,
  deviceGroups,
  files,
  linkName,
  marksOfDestination,
  overridesName,
  policyModules,
  programsFolder,
  programsList,
  snapshotterName,
  stateParent,
  unitsFolder,
  usualParent,
} from './places.ts';
import type { DeployedHandler } from './texts.ts';
import type { Deployed, UsersSettings } from './types.ts';

/** Everything of kata-deploy on this host, by the files alone; undefined where nothing is. Throws `adopt-unproven` and codes of the engine. */
export async function findKataDeploy(host: HostView): Promise<Deployed | undefined> {
  const parts = await engineParts(host);
  const named = [
    ...parts.handlers.map((each) => each.destination),
    ...parts.imported.map((path) => posix.dirname(posix.dirname(posix.dirname(path)))),
  ];
  const destinations = await destinationsOf(host, named);
  const snapshotter = await snapshotterOf(host);
  const texts = [...snapshotter.files, ...(await wholeFiles(host))];
  const programs = await programsOf(host);
  const links = [...snapshotter.links, ...(await linksInto(host, destinations))];
  const trees = [...destinations, ...(await statesOf(host)), ...programs];
  const isThere = parts.files.length + texts.length + links.length + trees.length > 0;
  if (!isThere) return undefined;
  const empty = await emptyImports(host, parts.files, parts.engines);
  const found = [...parts.files, ...empty];
  await refuseNamed(host, { destinations, links, files: found });
  return {
    handlers: byName(parts.handlers),
    engines: [...new Set([...parts.engines, ...empty.map(({ engine }) => engine)])],
    files: found,
    keys: parts.keys,
    destinations,
    units: snapshotter.units,
    texts,
    links,
    trees: [...new Set(trees)],
    settings: [...parts.settings, ...(await overridesOf(host, parts.handlers))],
    findings: [...parts.findings, ...(await staying(host, destinations))],
  };
}

function byName<T extends { name: string }>(all: readonly T[]): T[] {
  return [...new Map(all.map((each) => [each.name, each])).values()];
}

/** Folders that a file of an engine leads into, that have a layout of its own, or that are empty, as its uninstall leaves them. */
async function destinationsOf(host: HostView, named: readonly HostPath[]): Promise<HostPath[]> {
  const usual = (await host.readdir(usualParent).catch(() => [])).map((name) => `${usualParent}/${name}`);
  const found: HostPath[] = [];
  for (const path of [...new Set([...named, ...usual.filter((each) => destination.test(each))])]) {
    if ((await host.lstat(path))?.kind !== 'directory') continue;
    const isEmpty = path === `${usualParent}/kata` && (await host.readdir(path)).length === 0;
    if (isEmpty || named.includes(path) || (await hasMark(host, path))) found.push(path);
  }
  return found;
}

async function hasMark(host: HostView, path: HostPath): Promise<boolean> {
  for (const mark of marksOfDestination) if ((await host.lstat(`${path}/${mark}`)) !== undefined) return true;
  return false;
}

/** Units of its snapshotters, what enables them, and nothing of others that is called so. */
async function snapshotterOf(host: HostView): Promise<{ units: string[]; files: HostPath[]; links: Deployed['links'] }> {
  const found = { units: [] as string[], files: [] as HostPath[], links: [] as Deployed['links'] };
  const names = await host.readdir(unitsFolder);
  for (const name of names) {
    const isIts = name.endsWith('.service') && snapshotterName.test(name.slice(0, -'.service'.length));
    if (!isIts || (await host.lstat(`${unitsFolder}/${name}`))?.kind !== 'file') continue;
    found.units.push(name);
    found.files.push(`${unitsFolder}/${name}`);
  }
  for (const folder of names.filter((name) => /\.(?:wants|requires)$/.test(name)))
    for (const name of await host.readdir(`${unitsFolder}/${folder}`).catch(() => [])) {
      const path = `${unitsFolder}/${folder}/${name}`;
      const target = snapshotterName.test(name.replace(/\.service$/, '')) ? await host.readlink(path) : undefined;
      if (target !== undefined) found.links.push({ path, target });
    }
  return found;
}

async function statesOf(host: HostView): Promise<HostPath[]> {
  const found: HostPath[] = [];
  for (const name of await host.readdir(stateParent)) {
    const path = `${stateParent}/${name}`;
    if (snapshotterName.test(name) && (await host.lstat(path))?.kind === 'directory') found.push(path);
  }
  return found;
}

async function wholeFiles(host: HostView): Promise<HostPath[]> {
  const found: HostPath[] = [];
  for (const { folder, name, begins } of files)
    for (const each of await host.readdir(folder).catch(() => [])) {
      const path = `${folder}/${each}`;
      if (!name.test(each) || (await host.lstat(path))?.kind !== 'file') continue;
      if ((await host.readText(path))?.startsWith(begins) === true) found.push(path);
    }
  return found;
}

/** `nodeBinaries`: what its list names is its; it refuses to replace a file of others. */
async function programsOf(host: HostView): Promise<HostPath[]> {
  const found: HostPath[] = [];
  for (const name of await host.readdir(programsFolder).catch(() => [])) {
    const list = `${programsFolder}/${name}`;
    if (!programsList.test(name) || (await host.lstat(list))?.kind !== 'file') continue;
    found.push(list);
    for (const line of ((await host.readText(list)) ?? '').split('\n')) {
      const path = `${programsFolder}/${line}`;
      if (/^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/.test(line) && (await host.lstat(path))?.kind === 'file') found.push(path);
    }
  }
  return [...new Set(found)];
}

/** Links of installers of Kata that would lead nowhere. */
async function linksInto(host: HostView, destinations: readonly HostPath[]): Promise<Deployed['links']> {
  const found: Deployed['links'] = [];
  for (const name of await host.readdir(programsFolder).catch(() => [])) {
    const path = `${programsFolder}/${name}`;
    const target = linkName.test(name) ? await host.readlink(path) : undefined;
    if (target !== undefined && destinations.some((each) => target.startsWith(`${each}/`))) found.push({ path, target });
  }
  return found;
}

/** What users set for its handlers, beside a configuration. */
async function overridesOf(host: HostView, handlers: readonly DeployedHandler[]): Promise<UsersSettings[]> {
  const found: UsersSettings[] = [];
  for (const handler of byName(handlers)) {
    const folder = `${posix.dirname(handler.configuration)}/config.d`;
    for (const each of (await host.readdir(folder).catch(() => [])).filter((file) => overridesName.test(file)))
      found.push({ path: `${folder}/${each}`, handler });
  }
  return found;
}

/** What only other programs can take away. */
async function staying(host: HostView, destinations: readonly HostPath[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const type of await host.readdir(policyModules).catch(() => []))
    for (const priority of await host.readdir(`${policyModules}/${type}/active/modules`).catch(() => []))
      for (const name of await host.readdir(`${policyModules}/${type}/active/modules/${priority}`).catch(() => []))
        if (/^kata-deploy[\w-]*$/.test(name) && /^\d+$/.test(priority)) findings.push(policyStays(name, priority));
  const groups = ((await host.readText('/etc/group')) ?? '').split('\n').map((line) => line.split(':')[0] ?? '');
  for (const name of deviceGroups.filter((each) => groups.includes(each))) findings.push(groupStays(name));
  if ((await host.lstat(`${usualParent}/kata`))?.kind === 'symlink') findings.push(linkStays(`${usualParent}/kata`));
  const prefixed = destinations.filter((path) => posix.dirname(path) !== usualParent);
  for (const path of prefixed) findings.push(parentStays(posix.dirname(path)));
  return findings;
}

function stays(subject: string, found: string, needed: string, next: string): Finding {
  return { code: 'kata-deploy-leaves', level: 'info', subject, found, needed, next };
}

function policyStays(name: string, priority: string): Finding {
  const found = `the SELinux module ${name} of kata-deploy stays loaded: a change of the policy cannot be taken back with this one`;
  return stays(name, found, 'nothing: it labels no file', `semodule -X ${priority} -r ${name}`);
}

function groupStays(name: string): Finding {
  return stays(name, `the group ${name} stays: files may belong to it`, 'nothing', `groupdel ${name}`);
}

function linkStays(path: HostPath): Finding {
  return stays(
    path,
    `${path} is a link, which kata-deploy does not make: what it points at stays`,
    'nothing',
    `ls -l ${commandWord(path)}`,
  );
}

function parentStays(path: HostPath): Finding {
  return stays(
    path,
    `${path} stays, which kata-deploy may have made for its prefix`,
    'nothing',
    `rmdir ${commandWord(path)}, if it is empty`,
  );
}
