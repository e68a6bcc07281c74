import type { TreeEntry } from '../../bundle/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import type { PayloadManifest } from '../types.ts';
import { wholePayload } from './extension.ts';

/** 'bytes' reads every file; 'shape' only looks at kinds, modes, sizes and link targets. */
export type Depth = 'bytes' | 'shape';

/** In words, how what is at `path` differs from the entry; undefined when it does not. */
export async function entryDrift(host: HostView, path: HostPath, entry: TreeEntry, depth: Depth = 'bytes'): Promise<string | undefined> {
  const stat = await host.lstat(path);
  if (stat === undefined) return 'it is not there';
  if (stat.kind !== entry.kind) return `it is a ${stat.kind}, not a ${entry.kind}`;
  if (entry.kind === 'symlink') return (await host.readlink(path)) === entry.target ? undefined : `it does not point at ${entry.target}`;
  if (stat.mode !== entry.mode) return `its mode is ${stat.mode.toString(8)}, not ${entry.mode.toString(8)}`;
  if (entry.kind === 'directory') return undefined;
  if (stat.sizeBytes !== entry.sizeBytes) return `it has ${stat.sizeBytes} bytes, not ${entry.sizeBytes}`;
  return depth === 'shape' || (await host.digest(path)) === entry.digest ? undefined : 'its bytes differ';
}

export async function isIntact(host: HostView, manifest: PayloadManifest, depth: Depth): Promise<boolean> {
  const { folder, entries } = wholePayload(manifest);
  for (const entry of entries) {
    if ((await entryDrift(host, `${folder}/${entry.path}`, entry, depth)) !== undefined) return false;
  }
  return true;
}
