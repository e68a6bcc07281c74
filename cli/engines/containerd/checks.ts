import { posix } from 'node:path';
import { isTable, placeOfKey, placeOfObstacle, tableAt, valueAt } from '../../documents/toml/index.ts';
import { KataError, pathWord } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { unsupported } from '../common/unsupported.ts';
import { atLeast, parseVersion, type Version } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { usualConfig } from './facts.ts';
import { shimIsType } from './handlers.ts';
import type { ConfigSet, LoadedFile } from './loader.ts';
import { rootFile, rootTables } from './rootFile.ts';
import { highestSchema, newPlugin, newPlugins, oddCase, oldPlugin, runtimesPath } from './schema.ts';

/** True when the main file is missing or has no settings: then kata-sysext chooses its schema. */
export function saysNothing(set: ConfigSet): boolean {
  const [main] = set.files;
  return !main || Object.keys(main.doc.value).length === 0;
}

/** A root file that finds only tables of kata-sysext's own yet: none of its files has to have a version (see `schemaBelowRoot`). */
function isBareRoot({ main, files }: ConfigSet): boolean {
  const own = (path: string) => path === rootFile || posix.dirname(path) === posix.dirname(rootTables);
  return main === rootFile && files.every(({ path, doc }) => own(path) || Object.keys(doc.value).length === 0);
}

/** Throws when the loaded files are none that this version can edit safely. */
export function checkSet(set: ConfigSet, instance: Instance, host: Pick<HostView, 'booted' | 'root'>): void {
  const version = parseVersion(instance.version);
  if (version && !atLeast(version, 1, 6)) {
    throw unsupported(
      instance.configPath,
      `containerd is ${instance.version}.`,
      'containerd 1.6 or newer: earlier ones take no shim by its path.',
      'Update containerd.',
    );
  }
  if (version === undefined || atLeast(version, 2, 0)) set.files.forEach(checkCase);
  checkLabels(set, instance, version);
  checkSchemas(set, instance, host);
  if (!host.booted) checkPlugins(host, set, version);
  for (const file of set.files) {
    checkRuntimes(file);
    const cri = disabledCri(file);
    if (cri !== undefined) {
      throw unsupported(
        file.path,
        `${file.path}, ${placeOfKey(file.doc, 'disabled_plugins')}, disables the CRI plugin (disabled_plugins has "${cri}").`,
        'A containerd that serves the CRI; handlers mean nothing without it.',
        `Take "${cri}" out of disabled_plugins in ${file.path} and restart containerd.`,
      );
    }
    if (file.doc.start > 0 && version && atLeast(version, 2, 0)) {
      throw new KataError('engine-config-invalid', {
        subject: file.path,
        found: `${file.path}, line 1, column 1, begins with a byte order mark, which containerd 2.x cannot read.`,
        needed: 'A configuration that the engine itself can load.',
        next: `Remove the first three bytes of ${file.path}.`,
      });
    }
  }
}

/** Throws for a key that containerd 2.x takes for one that this program looks for by its exact name. */
function checkCase({ path, doc }: LoadedFile): void {
  const odd = oddCase(doc.value);
  if (odd === undefined) return;
  const [name, key] = [odd.at(-1)!, odd.at(-1)!.toLowerCase()];
  throw unsupported(
    path,
    `${path}, ${placeOfKey(doc, name) ?? placeOfObstacle(doc, odd) ?? `at ${odd.join('.')}`}, has the key ${name}, which containerd 2.x takes for ${key}.`,
    'Keys as the documentation of containerd writes them.',
    `Write ${key} in ${path}.`,
  );
}

/** The plugin of the CRI that a file disables; without its images or its runtime half the CRI does not start either. */
function disabledCri({ doc }: LoadedFile): string | undefined {
  const { disabled_plugins: disabled } = doc.value;
  const ids: unknown[] = Array.isArray(disabled) ? disabled : [];
  return ['cri', oldPlugin, ...newPlugins].find((id) => ids.includes(id));
}

/** A runtime that is no table ends containerd 2.x with a panic. */
function checkRuntimes({ path, doc }: LoadedFile): void {
  for (const plugin of [oldPlugin, newPlugin]) {
    const runtimes = Object.entries(tableAt(doc.value, runtimesPath(plugin)));
    const odd = runtimes.find(([, runtime]) => !isTable(runtime))?.[0];
    if (odd === undefined) continue;
    throw new KataError('engine-config-invalid', {
      subject: path,
      found: `${path}, ${placeOfObstacle(doc, [...runtimesPath(plugin), odd])}, has a plain value for the runtime ${odd}.`,
      needed: 'A configuration that the engine itself can load: runtimes are tables.',
      next: `Repair ${path}.`,
    });
  }
}

/** A path for a type does not say io.containerd.kata, by which alone the daemon gives the processes of virtual machines their own label. */
function checkLabels(set: ConfigSet, instance: Instance, version: Version | undefined): void {
  if (!shimIsType(version)) return;
  const file = set.files.find((each) => valueAt(each.doc.value, ['plugins', oldPlugin, 'enable_selinux']) === true);
  if (file === undefined) return;
  throw unsupported(
    file.path,
    `containerd is ${instance.version ?? ''}, and ${file.path} has enable_selinux = true.`,
    'containerd 1.6.21 or newer (not 1.7.0): earlier ones find a shim outside of their PATH only without SELinux labels for virtual machines.',
    version?.patch === undefined ? 'Name the whole version: --engine containerd@1.6.36.' : 'Update containerd.',
  );
}

/**
 * containerd 2.x migrates the tables of schema 2 to the plugins of schema 3, except to plugins that have a table already. So one table of a
 * new plugin hides all tables of the old one, the Kata handler included. On a live host the daemon's own dump shows that.
 */
function checkPlugins(host: Pick<HostView, 'root'>, set: ConfigSet, version: Version | undefined): void {
  if (set.schema !== 2 || (version && !atLeast(version, 2, 0))) return;
  // From 2.3 on a file without a version is moved by itself, before the files meet.
  const alone = version !== undefined && atLeast(version, 2, 3);
  for (const { path, doc, schema } of set.files) {
    if (schema === undefined && alone) continue;
    const id = newPlugins.find((each) => valueAt(doc.value, ['plugins', each]) !== undefined);
    if (id === undefined) continue;
    throw new KataError('engine-config-mixed', {
      subject: path,
      found: `${path} has the table plugins."${id}" of schema 3, and ${schema === undefined ? `${set.main} has` : 'it has'} version = 2.`,
      needed: `The plugin "${oldPlugin}" alone in files of version 2: containerd 2.x takes the new table for all that the old one says, and drops the handler.`,
      next: `Move what ${path} says in plugins."${id}" to plugins."${oldPlugin}", or convert the files: ${migration(host, path)}.`,
    });
  }
}

/**
 * From 2.3.5 on each file is moved to the newest schema before they meet; 2.0 to 2.2 take the last version for all, and 2.3.0 to 2.3.4 refuse
 * some sets. So on a live host the daemon's own dump decides: see `validateContainerd`.
 */
function checkSchemas(set: ConfigSet, instance: Instance, host: Pick<HostView, 'booted' | 'root'>): void {
  const version = parseVersion(instance.version);
  const isJudged = host.booted && version !== undefined && atLeast(version, 2, 0);
  const schemas = [...new Set(set.files.flatMap((file) => file.schema ?? []))];
  if (!isJudged && schemas.length > 1 && set.schema !== undefined) {
    const list = set.files.flatMap((file) => (file.schema === undefined ? [] : `${file.path} has version ${file.schema}`)).join(', ');
    throw new KataError('engine-config-mixed', {
      subject: set.main,
      found: `The loaded files have different schemas: ${list}.`,
      needed: 'One schema in all of them: which one wins depends on the order of the files.',
      next: 'Give every file the version of the main file, and the plugin names of that version.',
    });
  }
  if (saysNothing(set) || (set.schema === undefined && isBareRoot(set))) return;
  if (set.schema === undefined || set.schema < 2) throw oldSchema(host, set);
  const highest = version ? highestSchema(version) : 4;
  if (set.schema > highest) {
    throw new KataError('engine-config-invalid', {
      subject: set.main,
      found: `${set.main}${placeOfVersion(set)} has version = ${set.schema}, but containerd ${instance.version ?? ''} reads at most ${highest}.`,
      needed: 'A configuration that the engine itself can load.',
      next: `Update containerd or write version = ${highest} in ${set.main}.`,
    });
  }
}

/** The file that the package of containerd.io brings has both faults: no version, and the CRI disabled. One refusal names them. */
function oldSchema(host: Pick<HostView, 'root'>, set: ConfigSet): KataError {
  const { main } = set;
  const what = set.schema === undefined ? 'no version key, so it has schema 1' : `version = ${set.schema}`;
  const cri = set.files.map(disabledCri).find((id) => id !== undefined);
  if (cri === undefined)
    return unsupported(
      main,
      `${main}${placeOfVersion(set)} has ${what}.`,
      'Schema 2 or newer.',
      `Convert it: ${migration(host, main)} (2.x, prints the result), or write version = 2 and the full plugin names in ${main}.`,
    );
  return unsupported(
    main,
    `${main}${placeOfVersion(set)} has ${what}; and disabled_plugins has "${cri}", which disables the CRI plugin.`,
    'Schema 2 or newer, and a containerd that serves the CRI; handlers mean nothing without it.',
    `Write version = 2 and the full plugin names in ${main}, take "${cri}" out of disabled_plugins, and restart containerd.`,
  );
}

/** Without a name containerd converts its usual file. */
function migration(host: Pick<HostView, 'root'>, path: HostPath): string {
  const file = pathWord(host, path);
  return `containerd ${file === usualConfig ? '' : `-c ${file} `}config migrate`;
}

function placeOfVersion({ files: [main] }: ConfigSet): string {
  const place = main === undefined ? undefined : placeOfKey(main.doc, 'version');
  return place === undefined ? '' : `, ${place},`;
}
