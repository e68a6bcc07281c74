import { parseDocument, requireBoundedSet, type TomlDocument, valueAt } from '../../documents/toml/index.ts';
import type { HostPath } from '../../host/types.ts';
import type { FilesView } from '../common/filesView.ts';
import { glob } from '../containerd/globs.ts';
import { oldPlugin } from '../containerd/schema.ts';
import { dropIns } from './facts.ts';

export const pattern = `${dropIns}/*.toml`;

export interface DropIn {
  path: HostPath;
  real: HostPath;
  doc: TomlDocument;
}

/** The drop-ins in the order in which k0s and containerd read them. Throws engine-config-invalid for one that does not parse. */
export async function readDropIns(view: FilesView): Promise<DropIn[]> {
  const found: DropIn[] = [];
  for (const path of await glob(view, pattern)) {
    const content = await view.read(path);
    if (content === undefined) continue;
    found.push({ path, real: content.real, doc: parseDocument(content.text, path) });
    requireBoundedSet(found, dropIns);
  }
  return found;
}

/** k0s up to 1.35 merges such a file into its own settings of the CRI, and lets containerd import all others. */
export function isMerged({ doc }: DropIn): boolean {
  return valueAt(doc.value, ['plugins', oldPlugin]) !== undefined;
}
