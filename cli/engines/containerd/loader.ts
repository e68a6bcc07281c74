import { posix } from 'node:path';
import { parseDocument, placeOfKey, requireBoundedSet, type TomlDocument } from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';
import type { FilesView } from '../common/filesView.ts';
import { atLeast, type Version } from '../common/version.ts';
import { glob, isPattern } from './globs.ts';

export interface LoadedFile {
  /** As the loader came to it. */
  path: HostPath;
  /** With all links followed: what an edit would touch. */
  real: HostPath;
  doc: TomlDocument;
  /** undefined when the file has no `version`. */
  schema: number | undefined;
  /** As written. */
  imports: string[];
}

/** What the daemon reads, in the order in which it reads it. */
export interface ConfigSet {
  main: HostPath;
  /** The main file first; empty when it is not there. */
  files: LoadedFile[];
  /** Patterns that are imported, absolute. */
  patterns: string[];
  /** Of the main file, or of what it imports where it says nothing else; undefined when it has none or is not there. */
  schema: number | undefined;
}

/**
 * Loads the files by containerd's rules (docs/facts/containerd.md#imports): breadth-first from the main file, a path already loaded is
 * skipped, a `*` makes a pattern that may match nothing, a literal path must exist. Throws engine-config-invalid, engine-unsupported.
 */
export async function loadSet(view: FilesView, main: HostPath, version?: Version): Promise<ConfigSet> {
  const set: ConfigSet = { main, files: [], patterns: [], schema: undefined };
  const seen = new Set<HostPath>();
  const pending: { path: HostPath; from?: LoadedFile }[] = [{ path: main }];
  for (let next = pending.shift(); next; next = pending.shift()) {
    if (seen.has(next.path)) continue;
    seen.add(next.path);
    const file = await loadFile(view, next.path);
    if (!file) {
      if (next.from === undefined) return set;
      throw missingImport(next.path, next.from);
    }
    set.files.push(file);
    requireBoundedSet(set.files, main);
    for (const written of file.imports) {
      const path = posix.resolve(posix.dirname(next.path), written);
      if (!isPattern(written)) {
        pending.push({ path, from: file });
        requireBoundedSet(set.files, main, pending.length);
        continue;
      }
      const found = await glob(view, path);
      if (!written.startsWith('/')) await refuseAmbiguousPattern(view, written, found, next.path, version);
      set.patterns.push(path);
      requireBoundedSet(set.files, main, found.length + pending.length);
      pending.push(...found.map((match) => ({ path: match, from: file })));
    }
  }
  set.schema = schemaOfSet(set.files);
  return set;
}

/** A main file that does nothing but import has the schema of what it imports. */
function schemaOfSet(files: readonly LoadedFile[]): number | undefined {
  const [main, ...others] = files;
  const imports = main !== undefined && Object.keys(main.doc.value).every((key) => key === 'imports');
  return main?.schema ?? (imports ? others.find(({ schema }) => schema !== undefined)?.schema : undefined);
}

async function loadFile(view: FilesView, path: HostPath): Promise<LoadedFile | undefined> {
  const content = await view.read(path);
  if (!content) return undefined;
  const doc = parseDocument(content.text, path);
  return { path, real: content.real, doc, schema: schemaOf(doc), imports: importsOf(doc) };
}

function schemaOf(doc: TomlDocument): number | undefined {
  const { version } = doc.value;
  if (version === undefined || Number.isSafeInteger(version)) return version as number | undefined;
  throw invalid(
    doc.path,
    `${doc.path}, ${placeOfKey(doc, 'version')}: the key version is no integer.`,
    `Write version = 2 or version = 3 in ${doc.path}.`,
  );
}

function importsOf(doc: TomlDocument): string[] {
  const { imports } = doc.value;
  if (imports === undefined) return [];
  if (Array.isArray(imports) && imports.every((one) => typeof one === 'string')) return imports;
  throw invalid(
    doc.path,
    `${doc.path}, ${placeOfKey(doc, 'imports')}: the key imports is no list of strings.`,
    `Write imports = ["/path/*.toml"] in ${doc.path}.`,
  );
}

/** 1.6 resolves a relative pattern against its working folder, 1.7 and 2.x against the importing file's folder (tried with 1.6.20, 1.7.24, 2.1.9). */
async function refuseAmbiguousPattern(
  view: FilesView,
  written: string,
  found: HostPath[],
  from: HostPath,
  version?: Version,
): Promise<void> {
  if (version && atLeast(version, 1, 7)) return;
  const other = await glob(view, posix.resolve('/', written));
  if (other.join('\n') === found.join('\n')) return;
  throw new KataError('engine-unsupported', {
    subject: from,
    found: `${from} imports the relative pattern ${written}, which containerd reads differently before 1.7.`,
    needed: 'An absolute pattern.',
    next: `Write the pattern in ${from} with its full path.`,
  });
}

function missingImport(path: HostPath, { path: from, doc }: LoadedFile): KataError {
  return invalid(
    from,
    `${from}, ${placeOfKey(doc, 'imports')}, imports ${path}, which does not exist: the daemon would refuse to start.`,
    `Create ${path}, or take it out of imports in ${from}.`,
  );
}

function invalid(subject: HostPath, found: string, next: string): KataError {
  return new KataError('engine-config-invalid', { subject, found, needed: 'A configuration that the engine itself can load.', next });
}
