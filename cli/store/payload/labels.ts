import { posix } from 'node:path';
import type { TreeEntry } from '../../bundle/index.ts';
import { KataError } from '../../errors/index.ts';
import { selinuxState } from '../../facts/index.ts';
import type { Host, HostPath } from '../../host/index.ts';
import type { LabelClass } from '../../layout/index.ts';
import type { PayloadManifest } from '../types.ts';
import { textsOf, wholePayload } from './extension.ts';

/**
 * Labels a payload: first as the host's own policy says, which is what survives a relabel; then every file whose type a VMM could not use
 * gets the fallback of overlays/labels.json, after the policy was asked whether it has that type. Nothing happens without SELinux.
 */
export async function labelPayload(host: Host, manifest: PayloadManifest): Promise<void> {
  // Only this payload: another one's files may be open in pods, and folders above it were labelled when they were made.
  const { folder } = wholePayload(manifest);
  if (!(await host.relabel([folder]))) return;
  const { fallbackLabel, familyOfPolicy, isUsable } = await import('../../layout/index.ts');
  const state = await selinuxState(host);
  const family = familyOfPolicy(state.known ? (state.value.policy ?? '') : '');
  const wrong = new Map<string, string>();
  const labels = await host.labels(manifest.folder);
  // What is in an image has its label there.
  const texts = new Set(textsOf(manifest));
  const stored = manifest.image === undefined ? manifest.entries : manifest.entries.filter(({ path }) => texts.has(path));
  for (const entry of stored) {
    const path = `${manifest.folder}/${entry.path}`;
    const type = labels.get(path)?.split(':')[2] ?? 'unlabeled_t';
    const fileClass = classOf(entry);
    if (entry.kind === 'file' && !isUsable(family, type, fileClass)) wrong.set(path, fallbackLabel(family, fileClass));
  }
  for (const type of new Set(wrong.values())) await needType(host, type);
  if (wrong.size > 0) await host.setLabels(new Map([...wrong].map(([path, type]) => [path, `system_u:object_r:${type}:s0`])));
  await (manifest.image === undefined ? host.syncFileSystem(folder) : host.syncTree(folder));
}

/** The same for a copy of this program, where it lies at the moment. */
export async function labelProgram(host: Host, path: HostPath): Promise<void> {
  if (!(await host.relabel([path]))) return;
  const { fallbackLabel, familyOfPolicy, isUsable } = await import('../../layout/index.ts');
  const state = await selinuxState(host);
  const family = familyOfPolicy(state.known ? (state.value.policy ?? '') : '');
  if (isUsable(family, (await host.labels(path)).get(path)?.split(':')[2] ?? 'unlabeled_t', 'program')) return;
  const type = fallbackLabel(family, 'program');
  await needType(host, type);
  await host.setLabels(new Map([[path, `system_u:object_r:${type}:s0`]]));
}

/**
 * Gives kata-sysext's files the label of another file, or of the folder it would lie in: a program that is confined may read them wherever
 * it may read that one (the engine's own binary runs in the engine's domain, which need not read var_lib_t). Nothing happens without
 * SELinux.
 */
export async function labelLike(host: Host, paths: HostPath[], like: HostPath): Promise<void> {
  const state = await selinuxState(host);
  if (!state.known || state.value.mode === 'disabled') return;
  let there = like;
  while ((await host.lstat(there)) === undefined) there = posix.dirname(there);
  const context = (await host.labels(there)).get(there);
  if (context !== undefined) await host.setLabels(new Map(paths.map((path) => [path, context])));
}

/** The layout puts programs into folders `bin`; a library may have execute bits too. */
function classOf({ path, mode }: TreeEntry): LabelClass {
  return (mode & 0o111) !== 0 && posix.basename(posix.dirname(path)) === 'bin' ? 'program' : 'data';
}

export async function needType(host: Host, type: string): Promise<void> {
  if (await host.knowsType(type)) return;
  throw new KataError('host-selinux-type', {
    subject: type,
    found: `the policy of this host has no type ${type}`,
    needed: 'a type that a VMM may execute or read',
    next: 'seinfo -t | grep -E "bin_t|usr_t"; or name another folder with the right labels',
  });
}
