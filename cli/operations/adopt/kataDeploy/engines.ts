import { posix } from 'node:path';
import { parseDocument, topLevelValue } from '../../../documents/toml/index.ts';
import type { Finding } from '../../../errors/index.ts';
import type { HostPath, HostView } from '../../../host/index.ts';
import { importedParts, usersGo, usersKeys } from './imported.ts';
import { backupEnding, createdEnding, dropInName, engineTable, userDropInName, wholeFileName } from './places.ts';
import { isDeployedImport, sameBut, withoutDeployed } from './texts.ts';
import type { DeployedFile, EngineParts } from './types.ts';

function nothing(): EngineParts {
  return { engines: [], files: [], handlers: [], keys: [], imported: [], findings: [] };
}

/** Reads every place where kata-deploy writes for an engine. Throws as `withoutDeployed`. */
export async function engineParts(host: HostView): Promise<EngineParts> {
  const parts = nothing();
  for (const { engine, main, folders } of engineTable.engines) {
    const found = nothing();
    for (const path of await mainFiles(host, main)) await addMain(host, path, found);
    for (const folder of folders) await addFolder(host, await host.realpath(folder), found, [dropInName]);
    join(parts, engine, found);
  }
  await addWhole(host, parts);
  return parts;
}

async function addWhole(host: HostView, parts: EngineParts): Promise<void> {
  const { engine, folder: at, debug } = engineTable.wholeFiles;
  const found = nothing();
  const folder = await host.realpath(at);
  await addFolder(host, folder, found, [wholeFileName]);
  const path = `${folder}/${debug.name}`;
  const text = await host.readText(path, 'configuration');
  if (text !== undefined && debug.texts.includes(text) && (found.files.length > 0 || text === ''))
    found.files.push({ path, text, after: 'absent' });
  if (text !== undefined && text !== '') found.keys.push(...debug.keys);
  join(parts, engine, found);
}

/** Real paths; a name of a pattern is a file, and no link. */
async function mainFiles(host: HostView, paths: readonly HostPath[]): Promise<HostPath[]> {
  const found: HostPath[] = [];
  for (const path of paths) {
    const [folder, name] = [posix.dirname(path), posix.basename(path)];
    if (!name.startsWith('*')) found.push(await host.realpath(path));
    else
      for (const each of await host.readdir(folder).catch(() => []))
        if (each.endsWith(name.slice(1)) && (await host.stat(`${folder}/${each}`))?.kind === 'file')
          found.push(await host.realpath(`${folder}/${each}`));
  }
  return [...new Set(found)];
}

function join(all: EngineParts, engine: string, found: EngineParts): void {
  if (found.files.length > 0) all.engines.push(engine);
  for (const key of ['files', 'handlers', 'keys', 'imported', 'findings'] as const) (all[key] as unknown[]).push(...found[key]);
}

/** Its files in a folder of drop-ins. What others wrote into one stays, in it. */
async function addFolder(host: HostView, folder: HostPath, found: EngineParts, names: readonly RegExp[]): Promise<void> {
  for (const name of await host.readdir(folder).catch(() => [])) {
    const path = `${folder}/${name}`;
    const isUsers = userDropInName.test(name);
    if ((!isUsers && !names.some((each) => each.test(name))) || (await host.lstat(path))?.kind !== 'file') continue;
    const text = (await host.readText(path, 'configuration')) ?? '';
    const cleaned = isUsers ? undefined : withoutDeployed(text, path, '');
    const after = cleaned === undefined || cleaned.text.trim() === '' ? 'absent' : cleaned.text;
    if (after === text) continue;
    found.files.push({ path, text, after });
    found.handlers.push(...(cleaned?.handlers ?? []));
    found.keys.push(...(cleaned?.keys ?? usersKeys(text, path)));
    if (isUsers) found.findings.push(usersGo(path));
    if (after !== 'absent') found.findings.push(others(path));
  }
}

/** A file of others that it edits: its tables and its import; the settings that it changed, where its copy from before is there. */
async function addMain(host: HostView, path: HostPath, found: EngineParts): Promise<void> {
  const text = await host.readText(path, 'configuration');
  if (text === undefined || !/kata/.test(text)) return;
  const [copy, created] = [`${path}${backupEnding}`, `${path}${createdEnding}`];
  const isCreated = (await host.lstat(created))?.kind === 'file';
  const copied = (await host.lstat(copy))?.kind === 'file' ? await host.readText(copy, 'configuration') : undefined;
  const before = copied === undefined ? undefined : firstOf(copied, copy);
  const cleaned = withoutDeployed(text, path, isCreated ? '' : before);
  const after = afterOf(cleaned.text, before, isCreated, path);
  if (after === text) return;
  found.files.push({ path, text, after });
  found.handlers.push(...cleaned.handlers);
  found.keys.push(...cleaned.keys);
  const imported = importsIn(text, path);
  const beyond = await importedParts(host, imported);
  found.imported.push(...imported);
  found.handlers.push(...beyond.handlers);
  found.keys.push(...beyond.keys);
  found.findings.push(...beyond.findings);
  if (isCreated) found.files.push({ path: created, text: (await host.readText(created)) ?? '', after: 'absent' });
  if (copied === undefined) return;
  if (after === before) found.files.push({ path: copy, text: copied, after: 'absent' });
  else found.findings.push(copyStays(copy, path));
}

/**
 * Where the node does not report the engine's version, kata-deploy 4.1 takes containerd 2 for 1.x, and edits in place a file that has its
 * import: then its copy has the import too.
 */
function firstOf(copied: string, copy: HostPath): string {
  const { text } = withoutDeployed(copied, copy, undefined);
  return text === 'absent' ? '' : text;
}

function afterOf(cleaned: string, before: string | undefined, isCreated: boolean, path: HostPath): string {
  if (cleaned === 'absent' || (isCreated && saysVersionAlone(cleaned, path))) return 'absent';
  return before !== undefined && sameBut(cleaned, before) ? before : cleaned;
}

function saysVersionAlone(text: string, path: HostPath): boolean {
  return Object.keys(parseDocument(text, path).value).every((key) => key === 'version');
}

function importsIn(text: string, path: HostPath): HostPath[] {
  const list = topLevelValue(parseDocument(text, path), 'imports');
  const elements = list?.type === 'TOMLArray' ? list.elements : [];
  return elements.flatMap((node) =>
    node.type === 'TOMLValue' && typeof node.value === 'string' && isDeployedImport(node.value) ? [node.value] : [],
  );
}

/**
 * Its uninstall leaves an empty list of imports, as its editor writes it. The same line of an administrator says nothing either; it goes only
 * where kata-deploy is known to have been here.
 */
export async function emptyImports(
  host: HostView,
  known: readonly DeployedFile[],
  engines: readonly string[],
): Promise<(DeployedFile & { engine: string })[]> {
  const found: (DeployedFile & { engine: string })[] = [];
  const rows = engineTable.engines.filter(({ engine }) => engines.length === 0 || engines.includes(engine));
  for (const { engine, main } of rows)
    for (const path of await mainFiles(host, main)) {
      if (known.some((file) => file.path === path)) continue;
      const text = await host.readText(path, 'configuration').catch(() => undefined);
      if (text === undefined || !text.includes('imports = []')) continue;
      const doc = parseDocument(text, path);
      const list = topLevelValue(doc, 'imports');
      if (list?.type !== 'TOMLArray' || list.elements.length > 0) continue;
      const from = doc.start + list.parent.range[0];
      const line = /^imports = \[\]\r?\n/.exec(text.slice(from))?.[0];
      if (line !== undefined) found.push({ engine, path, text, after: text.slice(0, from) + text.slice(from + line.length) });
    }
  return found;
}

function others(path: HostPath): Finding {
  return {
    code: 'kata-deploy-leaves',
    level: 'warning',
    subject: path,
    found: `${path} is a file of kata-deploy, and others wrote settings into it; these stay there`,
    needed: 'a file of their own for them',
    next: `mv ${path} ${posix.dirname(path)}/local.toml, if they are still wanted`,
  };
}

function copyStays(copy: HostPath, path: HostPath): Finding {
  return {
    code: 'kata-deploy-leaves',
    level: 'warning',
    subject: copy,
    found: `${copy} is not what ${path} says without kata-deploy: others edited one of them. It stays, and so do their edits`,
    needed: 'nothing: no program reads it',
    next: `diff ${copy} ${path}; rm ${copy}`,
  };
}
