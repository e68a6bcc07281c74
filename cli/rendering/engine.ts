import { posix } from 'node:path';
import { writerOf } from '../engines/index.ts';
import { parseDocument } from '../engines/toml/index.ts';
import { KataError } from '../errors/index.ts';
import { readRegular } from '../host/index.ts';

/** What a tree has to have for an engine to be wired on it as on the node. */
export interface EngineTree {
  name: string;
  unit: string;
  /** As `--engine` says it; undefined where the wiring has to be right for every version. */
  version?: string;
  /** The node's own file that the wiring goes into, and the bytes in it. */
  config?: { path: string; bytes: Buffer };
  /** Where other programs name handlers, when the wiring is a file next to their files. */
  read?: string[];
  /** What else the engine reads, by patterns. */
  imports: { folder: string; name: string }[];
  /** Folders that a node has already. */
  folders: string[];
}

/** Engines that can be wired from afar. CRI-O reads a drop-in, whatever else its files have; containerd's own file is edited. */
const rows: Record<string, { unit: string; config?: string; read?: string[]; folders: string[] }> = {
  crio: { unit: 'crio.service', read: ['/etc/crio/crio.conf', '/etc/crio/crio.conf.d'], folders: ['etc/crio/crio.conf.d'] },
  containerd: { unit: 'containerd.service', config: '/etc/containerd/config.toml', folders: [] },
};

/**
 * `named`: as `--engine` says it; `file`: the node's own configuration, on this machine. Throws `usage` for what would be a guess, and
 * `engine-config-invalid` for a file that the engine could not read.
 */
export async function engineTree(named: string | undefined, file: string | undefined): Promise<EngineTree> {
  const [name = '', version] = (named ?? '').split('@');
  const row = rows[name];
  if (row === undefined)
    throw unfit(
      '--form',
      `--form rendered with --engine ${name === '' ? '(none)' : name}`,
      '--engine crio@VERSION or --engine containerd@VERSION',
    );
  const tree = { name, unit: row.unit, folders: row.folders, ...(version === undefined || version === '' ? {} : { version }) };
  if (row.config === undefined) {
    if (file !== undefined)
      throw unfit('--engine-config', `--engine-config with --engine ${name}`, 'nothing of the kind: it reads a drop-in of kata-sysext');
    return { ...tree, ...(row.read === undefined ? {} : { read: row.read }), imports: [] };
  }
  // The edit depends on the text of the file.
  if (file === undefined)
    throw unfit(
      '--engine-config',
      `--form rendered with --engine ${name} and without --engine-config`,
      `a copy of the nodes’ own ${row.config}; where it is not known, --form hook`,
    );
  const bytes = await readRegular(file, 'configuration', { follow: true }).catch((error: unknown) => {
    throw unfit(
      '--engine-config',
      `${file} cannot be read (${error instanceof Error ? error.message : String(error)})`,
      `a copy of the nodes’ own ${row.config}`,
    );
  });
  refuseRendered(bytes.toString(), file);
  const imports = patternsOf(bytes, row.config);
  return {
    ...tree,
    config: { path: row.config, bytes },
    imports,
    folders: [...row.folders, ...imports.map(({ folder }) => folder.slice(1))],
  };
}

/** On such a node nothing reads the edited file, or the next boot writes it again. */
function refuseRendered(text: string, file: string): void {
  const renderer = writerOf(text);
  if (renderer === undefined) return;
  const { name, effect, needed } = renderer;
  throw new KataError('engine-rendered', {
    subject: '--engine-config',
    found: `${file} was written by ${name}: ${effect}`,
    needed,
    next: 'kata-sysext explain engine-rendered',
  });
}

/** What is imported by pattern. Literal imports are not there on the tree, and are refused by the installation itself. */
function patternsOf(bytes: Buffer, path: string): { folder: string; name: string }[] {
  const { imports } = parseDocument(bytes.toString(), path).value;
  const patterns = Array.isArray(imports) ? imports.filter((each) => typeof each === 'string' && each.includes('*')).map(String) : [];
  return patterns.map((written) => {
    const pattern = posix.resolve(posix.dirname(path), written);
    const [folder, name] = [posix.dirname(pattern), posix.basename(pattern)];
    if (/[*?[\\]/.test(folder))
      throw unfit('--engine-config', `it imports ${written}`, 'a pattern in the name of the file only; else --form hook');
    return { folder, name };
  });
}

export function unfit(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext generate --help' });
}
