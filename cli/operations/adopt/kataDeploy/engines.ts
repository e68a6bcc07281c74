import { posix } from 'node:path';
import { decodeUtf8 } from '../../../documents/index.ts';
import { parseDocument, topLevelValue } from '../../../documents/toml/index.ts';
import { type Finding, KataError, pathWord } from '../../../errors/index.ts';
import type { HostPath, HostView } from '../../../host/index.ts';
import { importedParts, usersKeys } from './imported.ts';
import { backupEnding, createdEnding, dropInName, engineTable, userDropInName, wholeFileName } from './places.ts';
import { isDeployedImport, isDump, sameBut, withoutDeployed } from './texts.ts';
import type { DeployedFile, EngineParts } from './types.ts';

/** What is found of one engine. */
type Parts = EngineParts & { engine: string };

const mostFiles = 100;

function nothing(engine: string): Parts {
  return { engine, engines: [], files: [], handlers: [], keys: [], imported: [], settings: [], findings: [] };
}

/** Reads every place where kata-deploy writes for an engine. Throws as `withoutDeployed`. */
export async function engineParts(host: HostView): Promise<EngineParts> {
  const parts = nothing('');
  for (const { engine, main, folders } of engineTable.engines) {
    const found = nothing(engine);
    for (const file of await mainFiles(host, main)) await addMain(host, file, found);
    for (const folder of folders) await addFolder(host, await host.realpath(folder), found, [dropInName]);
    join(parts, found);
  }
  await addWhole(host, parts);
  return parts;
}

async function addWhole(host: HostView, parts: EngineParts): Promise<void> {
  const { engine, folder: at, debug } = engineTable.wholeFiles;
  const found = nothing(engine);
  const folder = await host.realpath(at);
  await addFolder(host, folder, found, [wholeFileName]);
  const path = `${folder}/${debug.name}`;
  const text = await textOf(host, path);
  if (text !== undefined && debug.texts.includes(text) && (found.files.length > 0 || text === ''))
    found.files.push({ engine, path, text, after: 'absent' });
  if (text !== undefined && text !== '') found.keys.push(...debug.keys);
  join(parts, found);
}

/** A file that kata-deploy edits, as its pattern names it and where it really is. */
interface MainFile {
  named: HostPath;
  real: HostPath;
}

/** A name of a pattern is a file, and no link. */
async function mainFiles(host: HostView, paths: readonly HostPath[]): Promise<MainFile[]> {
  const found = new Map<HostPath, MainFile>();
  const add = async (named: HostPath) => {
    const real = await host.realpath(named);
    if (!found.has(real)) found.set(real, { named, real });
  };
  for (const path of paths) {
    const [folder, name] = [posix.dirname(path), posix.basename(path)];
    if (!name.startsWith('*')) await add(path);
    else
      for (const each of await host.readdir(folder).catch(() => []))
        if (each.endsWith(name.slice(1)) && (await host.stat(`${folder}/${each}`))?.kind === 'file') await add(`${folder}/${each}`);
  }
  return [...found.values()];
}

/** Such that writing it gives the same bytes. Throws `engine-config-invalid` for what is no UTF-8. */
async function textOf(host: HostView, path: HostPath): Promise<string | undefined> {
  if ((await host.stat(path))?.kind !== 'file') return undefined;
  return decodeUtf8(await host.readFile(path, 'configuration'), path);
}

function join(all: EngineParts, found: Parts): void {
  if (found.files.length > 0) all.engines.push(found.engine);
  for (const key of ['files', 'handlers', 'keys', 'imported', 'settings', 'findings'] as const) (all[key] as unknown[]).push(...found[key]);
}

/** Its files in a folder of drop-ins. What others wrote into one stays, in it. */
async function addFolder(host: HostView, folder: HostPath, found: Parts, patterns: readonly RegExp[]): Promise<void> {
  const names = (await host.readdir(folder).catch(() => [])).filter((name) =>
    [userDropInName, ...patterns].some((each) => each.test(name)),
  );
  if (names.length > mostFiles) throw tooManyFiles(folder, names.length);
  for (const name of names) {
    const path = `${folder}/${name}`;
    const isUsers = userDropInName.test(name);
    if ((await host.lstat(path))?.kind !== 'file') continue;
    const text = (await textOf(host, path)) ?? '';
    const cleaned = isUsers ? undefined : withoutDeployed(text, path, '');
    const after = cleaned === undefined || cleaned.text.trim() === '' ? 'absent' : cleaned.text;
    if (after === text) continue;
    found.files.push({ engine: found.engine, path, text, after });
    found.handlers.push(...(cleaned?.handlers ?? []));
    found.keys.push(...(cleaned?.keys ?? usersKeys(text, path)));
    if (isUsers) found.settings.push({ path });
    if (after !== 'absent') found.findings.push(others(host, path));
  }
}

/**
 * A file of others that it edits: its tables and its import; the settings that it changed, where its copy from before is there. A file with
 * neither is none of its, nor is the copy beside it.
 */
async function addMain(host: HostView, { named, real: path }: MainFile, found: Parts): Promise<void> {
  const text = await textOf(host, path);
  if (text === undefined || !/kata/.test(text)) return;
  const created = await besideFile(host, named, path, createdEnding);
  const copy = await besideFile(host, named, path, backupEnding);
  if (withoutDeployed(text, path, created === undefined ? undefined : '').text === text) return;
  const before = copy === undefined ? undefined : firstOf(copy.text, copy.path);
  const cleaned = withoutDeployed(text, path, created === undefined ? before : '');
  const after = afterOf(cleaned.text, before, created !== undefined, path);
  const { engine } = found;
  found.files.push({ engine, path, text, after });
  found.handlers.push(...cleaned.handlers);
  found.keys.push(...cleaned.keys);
  const imported = importsIn(text, path);
  const beyond = await importedParts(host, imported);
  found.imported.push(...imported);
  found.handlers.push(...beyond.handlers);
  found.keys.push(...beyond.keys);
  found.settings.push(...beyond.settings);
  if (created !== undefined) found.files.push({ engine, ...created, after: 'absent' });
  if (copy === undefined) return;
  if (after === before) found.files.push({ engine, ...copy, after: 'absent' });
  else found.findings.push(copyStays(host, copy.path, path));
}

/** What kata-deploy puts beside a file: beside the link, where the file is one. */
async function besideFile(
  host: HostView,
  named: HostPath,
  real: HostPath,
  ending: string,
): Promise<{ path: HostPath; text: string } | undefined> {
  for (const path of new Set([`${named}${ending}`, `${real}${ending}`])) {
    if ((await host.lstat(path))?.kind !== 'file') continue;
    const text = await textOf(host, path);
    if (text !== undefined) return { path: await host.realpath(path), text };
  }
  return undefined;
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
  if (isCreated && (cleaned === 'absent' || saysVersionAlone(cleaned, path))) return 'absent';
  if (before === undefined) return cleaned;
  const text = cleaned === 'absent' ? '' : cleaned;
  return sameBut(text, before) ? before : text;
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
 * where kata-deploy is known to have been here, and not out of what `containerd config default` printed.
 */
export async function emptyImports(host: HostView, known: readonly DeployedFile[], engines: readonly string[]): Promise<DeployedFile[]> {
  const found: DeployedFile[] = [];
  const rows = engineTable.engines.filter(({ engine }) => engines.length === 0 || engines.includes(engine));
  for (const { engine, main } of rows)
    for (const { real: path } of await mainFiles(host, main)) {
      if (known.some((file) => file.path === path)) continue;
      const text = await textOf(host, path).catch(() => undefined);
      if (text === undefined || !text.includes('imports = []')) continue;
      const doc = parseDocument(text, path);
      const list = topLevelValue(doc, 'imports');
      if (list?.type !== 'TOMLArray' || list.elements.length > 0 || isDump(doc)) continue;
      const from = doc.start + list.parent.range[0];
      const line = /^imports = \[\]\r?\n/.exec(text.slice(from))?.[0];
      if (line !== undefined) found.push({ engine, path, text, after: text.slice(0, from) + text.slice(from + line.length) });
    }
  return found;
}

function tooManyFiles(folder: HostPath, count: number): KataError {
  return new KataError('adopt-unproven', {
    subject: folder,
    found: `${folder} has ${count} files that are called as those of kata-deploy`,
    needed: `at most ${mostFiles}: kata-deploy writes one for each installation`,
    next: `look at ${folder}, and remove by hand what kata-deploy did not write`,
  });
}

function others(host: HostView, path: HostPath): Finding {
  return {
    code: 'kata-deploy-leaves',
    level: 'warning',
    subject: path,
    found: `${path} is a file of kata-deploy, and others wrote settings into it; these stay there`,
    needed: 'a file of their own for them',
    next: `mv ${pathWord(host, path)} ${pathWord(host, `${posix.dirname(path)}/local.toml`)}, if they are still wanted`,
  };
}

function copyStays(host: HostView, copy: HostPath, path: HostPath): Finding {
  return {
    code: 'kata-deploy-leaves',
    level: 'warning',
    subject: copy,
    found: `${copy} is not what ${path} says without kata-deploy: others edited one of them. It stays, and so do their edits`,
    needed: 'nothing: no program reads it',
    next: `diff ${pathWord(host, copy)} ${pathWord(host, path)}; rm ${pathWord(host, copy)}`,
  };
}
