import { isTable, parseDocument, plain, type TomlTable } from '../documents/toml/index.ts';
import { KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { findGeneration, folderOf, type GenerationHandler, generationFolder } from '../store/index.ts';
import type { GuestConfiguration } from './types.ts';

/**
 * The configuration of an installed handler as its shim reads it: configuration.toml of the generation, then each file of config.d in the
 * order of names; tables are merged, lists and scalars replaced. Throws KataError `guest-failed` where the shim
 * would refuse it as well.
 */
export async function effectiveConfiguration(host: HostView, generation: number, handler: GenerationHandler): Promise<GuestConfiguration> {
  const found = await findGeneration(host, generation);
  const folder = `${found === undefined ? generationFolder(generation) : folderOf(found.manifest)}/config/${handler.name}`;
  let whole = await read(host, `${folder}/configuration.toml`);
  for (const path of await fragments(host, `${folder}/config.d`, handler.family)) whole = merge(whole, await read(host, path));
  const hypervisors = isTable(whole['hypervisor']) ? whole['hypervisor'] : {};
  const values = hypervisors[handler.hypervisor];
  if (!isTable(values)) {
    throw refused(`${folder}/configuration.toml`, `it has no table [hypervisor.${handler.hypervisor}]`, 'the table of its hypervisor');
  }
  return { handler: handler.name, family: handler.family, table: handler.hypervisor, values };
}

/** The Rust runtime refuses links and folders among the fragments; the Go runtime follows links. */
async function fragments(host: HostView, folder: HostPath, family: 'go' | 'rust'): Promise<HostPath[]> {
  const found: HostPath[] = [];
  for (const name of await host.readdir(folder)) {
    const path = `${folder}/${name}`;
    const kind = (await (family === 'rust' ? host.lstat(path) : host.stat(path)))?.kind;
    if (kind === 'file') found.push(path);
    else if (family === 'rust') throw refused(path, 'it is no regular file', 'regular files only: the Rust shim refuses anything else');
  }
  return found;
}

async function read(host: HostView, path: HostPath): Promise<TomlTable> {
  const text = await host.readText(path);
  if (text === undefined) throw refused(path, 'it is not there', 'the configuration that the engine names to the shim');
  try {
    return plain(parseDocument(text, path).value) as TomlTable;
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    throw refused(path, error.complaint.found, 'TOML 1.0: the shim refuses a file that it cannot read', error);
  }
}

function merge(base: TomlTable, added: TomlTable): TomlTable {
  const result: TomlTable = Object.assign(Object.create(null), base);
  for (const [key, value] of Object.entries(added)) {
    const old = result[key];
    result[key] = isTable(old) && isTable(value) ? merge(old, value) : value;
  }
  return result;
}

function refused(path: HostPath, found: string, needed: string, cause?: unknown): KataError {
  return new KataError('guest-failed', {
    subject: path,
    found: found.includes(path) ? found : `${path}: ${found}`,
    needed,
    next: `put ${path} right, then run the command again`,
    cause,
  });
}
