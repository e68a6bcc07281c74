import { posix } from 'node:path';
import { tomlString } from '../../documents/toml/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { unitFile } from '../common/unitFiles.ts';
import { unsupported } from '../common/unsupported.ts';
import type { Instance, Wiring } from '../types.ts';
import { fileLine, type Piece } from './edits.ts';
import { usualConfig } from './facts.ts';
import { matchesName, patternFolder } from './globs.ts';
import { commandOfUnit, requireNamed } from './unitCommand.ts';

/** What the daemon reads first where its own main file cannot be edited and imports nothing. */
export const rootFile: HostPath = '/etc/containerd/kata-sysext-root.toml';
/** In a folder of its own, so that a pattern finds nothing else there. */
export const rootTables: HostPath = '/etc/containerd/kata-sysext.d/kata-sysext.toml';

/** It sorts after override.conf, which `systemctl edit` writes. */
export function unitDropIn(unit: Unit): HostPath {
  return `/etc/systemd/system/${unit}.d/zz-kata-sysext.conf`;
}

/** Methods by which the daemon is made to read a root file: one that imports its own main file, or a copy of that (1.x unites no tables). */
const rootMethods = ['root file', 'root copy'];

/** The instance as its unit starts it without kata-sysext: what a wiring is planned from. */
export async function withoutRoot(host: HostView, instance: Instance, recorded: Wiring | undefined): Promise<Instance> {
  const rooted = instance.configPath === rootFile || rootMethods.some((method) => method === recorded?.method);
  if (!rooted || instance.unit === undefined) return instance;
  const { config } = await commandOfUnit(host, instance.unit, { path: unitDropIn(instance.unit) });
  return { ...instance, configPath: config ?? usualConfig };
}

/** The daemon's own main file, its unit, and the folder of the unit's drop-ins. */
export async function sourcesOfRoot(host: HostView, instance: Instance, recorded: Wiring): Promise<HostPath[]> {
  const { unit } = instance;
  const base = await withoutRoot(host, instance, recorded).catch(() => undefined);
  const file = unit === undefined ? undefined : await unitFile(host, unit);
  return [
    ...(base === undefined ? [] : [base.configPath]),
    ...(file === undefined ? [] : [file]),
    ...(unit === undefined ? [] : [posix.dirname(unitDropIn(unit))]),
  ];
}

/**
 * For these methods, none for others: the drop-in of the unit, and for `root file` the file that imports what the unit named before. Throws
 * `engine-unsupported` where the unit is another program's, or has a command that cannot be changed.
 */
export async function rootPieces(host: HostView, instance: Instance, method: string): Promise<Piece[]> {
  if (!rootMethods.some((each) => each === method)) return [];
  const { unit, configPath } = instance;
  if (unit === undefined || (await unitFile(host, unit)) === undefined)
    throw unsupported(
      configPath,
      `${configPath} is part of the read-only operating system, it imports no folder for drop-ins, and no unit starts containerd.`,
      'A unit of systemd that starts containerd.',
      `Copy it to ${usualConfig}, and start containerd with that file.`,
    );
  const command = await commandOfUnit(host, unit, { path: unitDropIn(unit) });
  if ((command.config ?? usualConfig) !== configPath)
    throw unsupported(
      unit,
      `containerd runs with ${configPath}, and ${unit} names ${command.config ?? 'no configuration'}.`,
      'A daemon that reads what its unit names.',
      `Restart it: systemctl daemon-reload; systemctl restart ${unit}`,
    );
  const settings = piece(unitDropIn(unit), [fileLine, '[Service]', ...command.naming(rootFile)]);
  await requireNamed(host, unit, { path: unitDropIn(unit), text: settings.after }, rootFile);
  if (method === 'root copy') return [settings];
  const imports = [await patternOf(host, configPath), `${posix.dirname(rootTables)}/*.toml`];
  return [piece(rootFile, [fileLine, `imports = [${imports.map(tomlString).join(', ')}]`]), settings];
}

/** A pattern that finds this file and no other one: a literal import of a file that is missing keeps the daemon from starting. */
async function patternOf(host: HostView, path: HostPath): Promise<string> {
  const [folder, name] = [posix.dirname(path), posix.basename(path)];
  // A class is a pattern too, and finds fewer names than `*`: config.toml.orig is none of them.
  const pattern = `${name.slice(0, -1)}[${name.slice(-1)}*]`;
  const others = (await host.readdir(folder)).filter((each) => each !== name && matchesName(pattern, each));
  if (patternFolder(`${folder}/*`) !== undefined && !/[*?[\\]|[^\w]$/.test(name) && others.length === 0) return `${folder}/${pattern}`;
  throw unsupported(
    path,
    others.length > 0 ? `${others[0]} lies beside ${path}.` : `${path} has a character that is special in patterns.`,
    'A main file that a pattern can name alone.',
    others.length > 0 ? `Remove ${folder}/${others[0]}.` : 'Move the configuration of containerd.',
  );
}

function piece(path: HostPath, lines: readonly string[]): Piece {
  const text = lines.map((line) => `${line}\n`).join('');
  return { mark: { path, kind: 'file', text }, after: text };
}
