import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { put } from './hostTrees.ts';
import { layered, origin } from './layered.ts';
import { crioTree } from './renderedTree.ts';
import type { TreeHost } from './treeHost.ts';

/** Where CRI-O's drop-ins are. */
export const folder = 'etc/crio/crio.conf.d';
/** The default handler of the releases. */
export const own = 'kata-qemu-runtime-rs';

type Runtimes = Record<string, { runtime_path?: string; runtime_type?: string } | undefined>;

/** A tree on which the package is layered and wired into CRI-O. */
export function layeredTree(prepare: (root: string) => void = () => undefined): TreeHost {
  return crioTree('fcos', 'crio@1.34', (root) => {
    put(root, layered.shim, '#!/bin/sh\n', 0o755);
    put(root, layered.dropIn, layered.text);
    put(root, origin.path, origin.text('kata-containers;vim;'));
    prepare(root);
  });
}

/** The handlers as CRI-O would take them: a later file's table replaces an earlier one whole. Read by a TOML library, not by our editor. */
export function runtimesOf(host: TreeHost): Runtimes {
  const found: Runtimes = {};
  for (const name of readdirSync(host.path(folder)).sort()) {
    const value = toml.parse(readFileSync(host.path(join(folder, name)), 'utf8')) as { crio?: { runtime?: { runtimes?: Runtimes } } };
    Object.assign(found, value.crio?.runtime?.runtimes);
  }
  return found;
}

/** Whether the shim that a handler names is there, through the links of the tree. */
export function serves(host: TreeHost, name: string): boolean {
  const path = runtimesOf(host)[name]?.runtime_path;
  if (path === undefined) return false;
  const inside = /^\/etc\/kata-sysext\/current\/payload\/(.*)$/.exec(path)?.[1];
  if (inside === undefined) return existsSync(host.path(path));
  const generation = readlinkSync(host.path('etc/kata-sysext/current'));
  return existsSync(join(host.path(readlinkSync(host.path(`${generation}/payload`))), inside));
}
