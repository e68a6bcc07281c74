import { isTable, valueAt } from '../documents/toml/index.ts';
import type { KataError } from '../errors/index.ts';
import { pathTable } from '../layout/index.ts';
import { addSetting, applySettings, misfits, readConfiguration } from '../layout/settings/index.ts';
import type { Setting } from '../layout/types.ts';
import { unfit } from './kinds.ts';
import type { ComponentKind } from './types.ts';

/** The folder of the payload that has the files of users, and the configurations that name them. Its name decides no SELinux label. */
export const ownFolder = 'share/kata-sysext';

/** Names of aliases have no dot, so that no two files have one path; and no folder is called as an alias is: `bin` would decide labels. */
export function ownPath(alias: string, kind: ComponentKind): string {
  return `${ownFolder}/${alias}.${kind}`;
}

export function ownConfiguration(alias: string): string {
  return `${ownFolder}/${alias}.toml`;
}

export interface OwnEdit {
  alias: string;
  base: string;
  hypervisor: string;
  files: { kind: ComponentKind; name: string; fileSystem?: string | undefined }[];
}

/**
 * The configuration of the base with the paths of these files in place of the release's; every other byte stays. With an image or an initrd,
 * what else names the release's one goes as well: both runtimes refuse both at once, and a hash tree belongs to one image
 * (docs/facts/kata.md#guest-files). Throws `component-unfit` for a handler whose configuration has no such key, `bundle-configuration`.
 */
export function editConfiguration(text: string, { alias, base, hypervisor, files }: OwnEdit): string {
  const table = `hypervisor.${hypervisor}`;
  const name = `the configuration of ${base}`;
  const had = ownValues(text, hypervisor, name);
  const wanted = new Map<string, Setting>();
  let edited = text;
  for (const { kind, name: file, fileSystem } of files) {
    const path = `${pathTable.prefix}/${ownPath(alias, kind)}`;
    const [unknown] = misfits(text, new Map([[`${table}.${kind}`, path]]), name);
    // Kata's files show either an image or an initrd, and no example of the other one.
    const added = unknown !== undefined && isRoot(kind) ? addSetting(edited, `${table}.kernel`, `${table}.${kind}`, path, name) : undefined;
    if (unknown === undefined) wanted.set(`${table}.${kind}`, path);
    else if (added === undefined) throw lacks(kind, file, base, unknown.found);
    else edited = added;
    if (!isRoot(kind)) continue;
    for (const key of [kind === 'image' ? 'initrd' : 'image', 'kernel_verity_params'])
      if (typeof had[key] === 'string' && had[key] !== '') wanted.set(`${table}.${key}`, '');
    if (fileSystem === undefined || fileSystem === (had['rootfs_type'] ?? 'ext4')) continue;
    const [lacking] = misfits(text, new Map([[`${table}.rootfs_type`, fileSystem]]), name);
    if (lacking !== undefined) throw lacks(kind, file, base, lacking.found);
    wanted.set(`${table}.rootfs_type`, fileSystem);
  }
  return applySettings(edited, wanted, name);
}

/** What the guest's root is made of. */
function isRoot(kind: ComponentKind): boolean {
  return kind === 'image' || kind === 'initrd';
}

function ownValues(text: string, hypervisor: string, name: string): Record<string, unknown> {
  const table = valueAt(readConfiguration(text, name).value, ['hypervisor', hypervisor]);
  return isTable(table) ? table : {};
}

function lacks(kind: ComponentKind, name: string, base: string, found: string): KataError {
  return unfit(
    kind,
    name,
    `cannot be used by ${base}: its configuration ${found}`,
    `a handler of the release whose configuration takes a ${kind}`,
    'base the alias on another handler: --alias NAME=HANDLER',
  );
}
