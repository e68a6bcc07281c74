import type { TreeEntry } from '../../bundle/types.ts';
import { type Digest, digestOf } from '../../host/index.ts';
import type { Format } from '../../images/types.ts';
import { insideExtension } from '../paths.ts';

/**
 * What a payload is named by: its entries, sorted by path, its form, and where they lie in the extension. Another form or place is another
 * payload: each has its own folder, and a generation names one of them.
 */
export function payloadDigest(entries: TreeEntry[], format: Format): Digest {
  const form = { format: format === 'directory' ? undefined : format, inside: insideExtension };
  return digestOf(`${entries.map(line).join('')}${JSON.stringify(form)}\n`);
}

/** One canonical line an entry. */
function line(entry: TreeEntry): string {
  return `${JSON.stringify([entry.path, entry.kind, entry.mode, entry.digest ?? entry.target ?? ''])}\n`;
}
