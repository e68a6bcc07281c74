import { basename, resolve } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { givenImage } from '../../planning/choices/givenImage.ts';
import { isAddress } from '../parsing/addresses.ts';
import { text } from '../parsing/options.ts';
import type { Call } from '../types.ts';

const imaging = 'sysext';

/**
 * The backend that the nodes' own installation gets: where an image is named, the one that has images, as the form *rendered* does it. Left
 * to `auto`, a node that takes the backend prefix would end with wrong usage at every boot. The file behind an address is not read here, so
 * an address that is called like an image needs a word. Throws `usage`.
 */
export async function backendFor({ options, io }: Call, words: string[], baked: boolean): Promise<string | undefined> {
  const backend = text(options['backend']);
  const format = text(options['format']);
  const files = words.filter((word) => !isAddress(word)).map((word) => resolve(io.cwd, word));
  const given = await givenImage({ sources: files, ...(format === undefined ? {} : { format }) });
  const bundle = 'the bundle that the image was made of';
  if (given === undefined) {
    const called = words.find((word) => isAddress(word) && /\.raw$/i.test(word));
    if (called !== undefined && (backend ?? 'auto') === 'auto' && !baked) throw imageUnknown(called);
    return backend;
  }
  const name = basename(given.file);
  if (words.length > 1) throw refused(name, `the image ${name} together with ${words.length - 1} more`, 'one image, or bundles', help);
  if (baked) throw refused(name, `the image ${name} with --form baked`, `${bundle}: an image of the OS has its files as they are`, help);
  if (![imaging, 'auto', undefined].includes(backend))
    throw refused(name, `the image ${name} with --backend ${backend}`, `no --backend, or ${bundle}`, help);
  return imaging;
}

const help = 'kata-sysext generate --help';

function imageUnknown(word: string): KataError {
  return refused(
    word,
    `${word} is called like an image, and whether it is one is not known here`,
    `the backend: a node that takes another one than ${imaging} by itself would refuse an image at every boot`,
    `if it is an image, name it as well: --backend ${imaging}`,
  );
}

function refused(subject: string, found: string, needed: string, next: string): KataError {
  return new KataError('usage', { subject, found, needed, next });
}
