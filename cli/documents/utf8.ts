import { commandWord, KataError } from '../errors/index.ts';
import { placeAt } from './place.ts';

/**
 * The text of a configuration file, such that writing it as UTF-8 gives the same bytes again, a byte order mark included. Throws
 * engine-config-invalid when the bytes are no UTF-8: an edit could not keep them.
 */
export function decodeUtf8(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new KataError('engine-config-invalid', {
      subject: path,
      found: `${path}, ${placeOfFault(bytes)}, is not UTF-8 text.`,
      needed: 'UTF-8; an edit must be able to keep every byte.',
      next: `Write ${path} in UTF-8 (iconv -f utf-8 ${commandWord(path)} shows where it breaks).`,
      cause,
    });
  }
}

/** Of the first bytes that are no character. */
function placeOfFault(bytes: Uint8Array): string {
  const read = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  const written = new TextEncoder().encode(read);
  const at = written.findIndex((byte, index) => byte !== bytes[index]);
  const good = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(0, Math.max(at, 0)));
  return placeAt(good, good.length);
}
