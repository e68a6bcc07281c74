import { posix } from 'node:path';
import { valueAt } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { isReadOnlyPlace } from '../common/editable.ts';
import type { SeenMark } from '../common/seen.ts';
import { unsupported } from '../common/unsupported.ts';
import type { Instance } from '../types.ts';
import { saysNothing } from './checks.ts';
import type { Placement } from './edits.ts';
import { usualConfig } from './facts.ts';
import { matchesName, patternFolder } from './globs.ts';
import type { ConfigSet, LoadedFile } from './loader.ts';
import { rootFile, rootTables } from './rootFile.ts';
import { type Merging, oldPlugin } from './schema.ts';

const dropInName = 'kata-sysext.toml';

export interface PlacementInput {
  set: ConfigSet;
  merging: Merging;
  seen: readonly SeenMark[];
  /** Method of the recorded wiring, when all its marks are intact. */
  recorded: string | undefined;
  /** Another program writes the main file again, and a root file is possible instead of an edit. */
  isGenerated: boolean;
}

/** The recorded place while it still does; else the smallest edit that is right for this daemon. */
export async function choosePlacement(host: HostView, instance: Instance, input: PlacementInput): Promise<Placement> {
  const { set, merging, isGenerated } = input;
  const [main] = set.files;
  const fixed = await isReadOnlyPlace(host, instance.configPath);
  const aside = merging === 'unites' && (fixed || isGenerated);
  // Whatever became of the main file that it imports.
  if (input.recorded === 'root file' && merging === 'unites') return root;
  if (!main) return aside ? root : { method: 'file', path: await host.realpath(instance.configPath) };
  const kept = keepPlacement(input, importPattern(instance));
  if (kept) return kept;
  if (merging === 'replaces' && fixed) return copyPlacement(host, set, main);
  if (saysNothing(set)) return aside ? root : { method: 'range', target: main };
  if (merging !== 'unites') return { method: 'range', target: rangeTarget(set) };
  const folder = await dropInFolder(host, set);
  if (folder) return { method: 'drop-in', path: posix.join(await host.realpath(folder), dropInName) };
  return aside ? root : importPlacement(host, instance, main);
}

const root: Placement = { method: 'root file', path: rootTables };

/** 1.x takes a plugin's table whole from the last file that has it: that has to be the copy. What it imports has to be named in full. */
async function copyPlacement(host: HostView, set: ConfigSet, main: LoadedFile): Promise<Placement> {
  const last = rangeTarget(set);
  const relative = main.imports.find((written) => !written.startsWith('/'));
  // What only some users may read must not be readable in the copy, nor in the record of the generation, which has its text.
  const isPublic = (((await host.stat(main.real))?.mode ?? 0) & 0o004) !== 0;
  if (last === main && relative === undefined && isPublic) return { method: 'root copy', path: rootFile, target: main };
  throw unsupported(
    main.path,
    last === main
      ? `${main.path} is part of the read-only operating system, and ${isPublic ? `imports ${relative}` : 'not every user may read it'}.`
      : `${main.path} is part of the read-only operating system, and ${last.path} has the tables of the CRI.`,
    'A main file that can be copied below /etc as it is.',
    `Copy it to ${usualConfig}, set CONTAINERD_CONFIG=${usualConfig} by a drop-in of containerd.service, and restart containerd.`,
  );
}

function keepPlacement({ set, merging, seen, recorded }: PlacementInput, pattern: string): Placement | undefined {
  const file = seen.find((one) => one.mark.kind === 'file')?.mark.path;
  const range = seen.find((one) => one.mark.kind === 'range');
  const target = set.files.find((one) => one.real === range?.mark.path);
  if (recorded === 'range' && target && target === rangeTarget(set)) return { method: 'range', target };
  if (merging !== 'unites' || !file) return undefined;
  if (recorded === 'drop-in' && set.patterns.some((one) => covers(one, file))) return { method: 'drop-in', path: file };
  if (recorded === 'drop-in and import' && target) return { method: 'drop-in and import', path: file, main: target, pattern };
  return undefined;
}

/** 1.x takes each plugin's table whole from the last file that has it: only there do runtimes count. */
export function rangeTarget(set: ConfigSet): LoadedFile {
  return set.files.findLast((file) => valueAt(file.doc.value, ['plugins', oldPlugin]) !== undefined) ?? set.files[0]!;
}

function covers(pattern: string, path: HostPath): boolean {
  return patternFolder(pattern) === posix.dirname(path) && matchesName(posix.basename(pattern), posix.basename(path));
}

/** A folder that the daemon reads drop-ins from already: folders made for that (*.d) first. */
async function dropInFolder(host: HostView, set: ConfigSet): Promise<HostPath | undefined> {
  const folders = set.patterns.flatMap((pattern) => {
    const folder = patternFolder(pattern);
    return folder !== undefined && matchesName(posix.basename(pattern), dropInName) ? [folder] : [];
  });
  folders.sort((a, b) => Number(b.endsWith('.d')) - Number(a.endsWith('.d')));
  for (const folder of folders) if (!(await isReadOnlyPlace(host, folder))) return folder;
  return undefined;
}

async function importPlacement(host: HostView, instance: Instance, main: LoadedFile): Promise<Placement> {
  const folder = posix.dirname(instance.configPath);
  const pattern = importPattern(instance);
  if (patternFolder(`${folder}/*`) === undefined) {
    throw unsupported(
      folder,
      `The folder ${folder} has a character that is special in patterns.`,
      'A plain path.',
      'Move the configuration of containerd.',
    );
  }
  return { method: 'drop-in and import', path: posix.join(await host.realpath(folder), dropInName), main, pattern };
}

/** A pattern, because a literal import whose file is missing keeps the daemon from starting (docs/facts/containerd.md#imports). */
function importPattern(instance: Instance): string {
  return `${posix.dirname(instance.configPath)}/kata-sysext*.toml`;
}
