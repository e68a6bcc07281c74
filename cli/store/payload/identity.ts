import type { TreeEntry } from '../../bundle/types.ts';
import { type Digest, digestOf } from '../../host/index.ts';
import type { Format } from '../../images/types.ts';

/** What a payload is named by: its entries, sorted by path, and its form. Another form is another payload: each has its own place, and a generation names one of them. */
export function payloadDigest(entries: TreeEntry[], format: Format): Digest {
  const form = format === 'directory' ? '' : `${JSON.stringify({ format })}\n`;
  return digestOf(entries.map(line).join('') + form);
}

/** One canonical line an entry. */
function line(entry: TreeEntry): string {
  return `${JSON.stringify([entry.path, entry.kind, entry.mode, entry.digest ?? entry.target ?? ''])}\n`;
}
