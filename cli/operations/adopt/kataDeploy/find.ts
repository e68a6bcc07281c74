import { posix } from 'node:path';
import { type Finding, KataError } from '../../../errors/index.ts';
import type { HostPath, HostView } from '../../../host/index.ts';
import { emptyImports, engineParts } from './engines.ts';
import {
  destination,
  deviceGroups,
  engineTable,
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
import type { Deployed } from './types.ts';

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
  const found = [...parts.files, ...empty.map(({ engine: _engine, ...file }) => file)];
  await refuseNamed(host, destinations, found);
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
    findings: [...parts.findings, ...(await overridesOf(host, parts.handlers)), ...(await staying(host, destinations))],
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

/** Files of engines that lead into a destination and are not kata-deploy's: its removal would break what they name. */
async function refuseNamed(host: HostView, destinations: readonly HostPath[], found: Deployed['files']): Promise<void> {
  const folders = [
    ...engineTable.engines.flatMap(({ main, folders }) => [...main.map((path) => posix.dirname(path)), ...folders]),
    engineTable.wholeFiles.folder,
  ];
  const paths = [...engineTable.otherFiles];
  for (const folder of new Set(folders))
    for (const name of await host.readdir(folder).catch(() => []))
      if (/\.(?:toml|tmpl|conf)$/.test(name) || folder === engineTable.wholeFiles.folder) paths.push(`${folder}/${name}`);
  for (const path of paths) {
    const real = await host.realpath(path);
    if ((await host.lstat(real))?.kind !== 'file') continue;
    const planned = found.find((file) => file.path === real);
    const text = planned === undefined ? await host.readText(real, 'configuration') : planned.after;
    const line = (text ?? '').split('\n').find((each) => !/^\s*#/.test(each) && destinations.some((at) => each.includes(`"${at}/`)));
    if (line !== undefined && !isRendered(path)) throw named(path, line.trim().split(/\s*=/)[0] ?? '');
  }
}

/** k3s and RKE2 write this file again at each start, from what is beside it. */
function isRendered(path: HostPath): boolean {
  return /^\/var\/lib\/rancher\/[a-z0-9]+\/agent\/etc\/containerd\/config\.toml$/.test(path);
}

function named(path: HostPath, key: string): KataError {
  return new KataError('adopt-unproven', {
    subject: path,
    found: `${path} leads into the release of kata-deploy (${key}), in a form that kata-deploy does not write`,
    needed: 'no other file that needs the release: it is removed',
    next: `grep -n kata ${path}; take it out or point it elsewhere, restart the engine, and try again`,
  });
}

/** What users set for its handlers goes with the release: said before. */
async function overridesOf(host: HostView, handlers: readonly DeployedHandler[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, configuration } of handlers) {
    const folder = `${posix.dirname(configuration)}/config.d`;
    for (const each of (await host.readdir(folder).catch(() => [])).filter((file) => overridesName.test(file)))
      findings.push(overrides(name, `${folder}/${each}`));
  }
  return findings;
}

function overrides(handler: string, path: HostPath): Finding {
  return {
    code: 'kata-deploy-leaves',
    level: 'warning',
    subject: path,
    found: `${path} has settings of users for ${handler}; it goes with the release of kata-deploy, and they are not taken over`,
    needed: 'a copy of it, if they are still wanted',
    next: `mkdir -p /etc/kata-containers/${handler}.d; cp ${path} /etc/kata-containers/${handler}.d/`,
  };
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
  return stays(path, `${path} is a link, which kata-deploy does not make: what it points at stays`, 'nothing', `ls -l ${path}`);
}

function parentStays(path: HostPath): Finding {
  return stays(path, `${path} stays, which kata-deploy may have made for its prefix`, 'nothing', `rmdir ${path}, if it is empty`);
}
