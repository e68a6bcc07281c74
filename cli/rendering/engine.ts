import { posix } from 'node:path';
import { engineNamed, engines, refusalBy, writerOf } from '../engines/index.ts';
import { KataError } from '../errors/index.ts';
import { readRegular } from '../host/index.ts';

/** What a tree has to have for an engine to be wired on it as on the node. */
export interface EngineTree {
  name: string;
  /** As a sentence names it. */
  title: string;
  unit: string;
  /** As `--engine` says it; undefined where the wiring has to be right for every version. */
  version?: string | undefined;
  /** The node's own file that the wiring goes into, the variable of its unit that may name another one, and the bytes in it. */
  config?: { path: string; variable: string; bytes: Buffer };
  /** Where other programs name handlers, when the wiring is a file next to their files. */
  read?: readonly string[];
  /** What else the engine reads, by patterns. */
  imports: { folder: string; name: string }[];
  /** Folders that a node has already. */
  folders: readonly string[];
}

/**
 * `named`: as `--engine` says it; `file`: the node's own configuration, on this machine. Throws `usage` for what would be a guess, and
 * `engine-config-invalid` for a file that the engine could not read.
 */
export async function engineTree(named: string | undefined, file: string | undefined): Promise<EngineTree> {
  const [name = '', version] = (named ?? '').split('@');
  const engine = engineNamed(name);
  if (engine === undefined)
    throw unfit(
      '--form',
      `--form rendered with --engine ${name === '' ? '(none)' : name}`,
      wirable()
        .map((each) => `--engine ${each}@VERSION`)
        .join(' or '),
    );
  const { offline } = engine;
  if (offline.kind === 'none') throw unfit('--form', `--form rendered with --engine ${name}: ${offline.found}`, offline.needed);
  const known = version === undefined || version === '' ? undefined : version;
  const tree = { name, title: engine.title, unit: offline.unit, version: known };
  if (offline.kind === 'drop-in') {
    if (file !== undefined)
      throw unfit('--engine-config', `--engine-config with --engine ${name}`, 'nothing of the kind: it reads a drop-in of kata-sysext');
    return { ...tree, read: offline.read, imports: [], folders: offline.folders };
  }
  // The edit depends on the text of the file.
  if (file === undefined)
    throw unfit(
      '--engine-config',
      `--form rendered with --engine ${name} and without --engine-config`,
      `a copy of the nodes’ own ${offline.config}; where it is not known, --form hook`,
    );
  const bytes = await readRegular(file, 'configuration', { follow: true }).catch((error: unknown) => {
    throw unfit(
      '--engine-config',
      `${file} cannot be read (${error instanceof Error ? error.message : String(error)})`,
      `a copy of the nodes’ own ${offline.config}`,
    );
  });
  refuseRendered(bytes.toString(), file);
  const imports = offline.patternsIn(bytes.toString()).map((written) => patternOf(offline.config, written));
  return {
    ...tree,
    config: { path: offline.config, variable: offline.configVariable, bytes },
    imports,
    folders: imports.map(({ folder }) => folder.slice(1)),
  };
}

/** Engines whose wiring can be computed for a node that is not here. */
function wirable(): string[] {
  return engines().flatMap(({ name, offline }) => (offline.kind === 'none' ? [] : [name]));
}

/** On such a node nothing reads the edited file, or the next boot writes it again. */
function refuseRendered(text: string, file: string): void {
  const renderer = writerOf(text);
  if (renderer === undefined) return;
  const { title } = renderer;
  const refusal = refusalBy(renderer, false);
  throw new KataError('engine-rendered', {
    subject: '--engine-config',
    found: `${file} was written by ${title}: ${refusal.found}`,
    needed: refusal.needed,
    next: 'kata-sysext explain engine-rendered',
  });
}

/** A pattern as the main file has it, by its folder and the names in it. */
function patternOf(config: string, written: string): { folder: string; name: string } {
  const pattern = posix.resolve(posix.dirname(config), written);
  const [folder, name] = [posix.dirname(pattern), posix.basename(pattern)];
  if (/[*?[\\]/.test(folder))
    throw unfit('--engine-config', `it imports ${written}`, 'a pattern in the name of the file only; else --form hook');
  return { folder, name };
}

export function unfit(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext generate --help' });
}
