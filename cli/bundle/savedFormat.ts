import { exactOptional } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { count, digest, listOf, misfitOf, type Shaped, tableOf, text, textLike, valueLike } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import { blockBytes } from './tarHeader.ts';

/**
 * A bundle that `kata-sysext bundle save` made: a tar archive whose first member is this document. Below `archives/` follow the signatures that
 * there are, under the names that users of minisign, cosign and openssl give them, so that they are known before the first archive comes. Then
 * come the archives as they are published, the program, and below `notices/` what is passed on with them.
 */
export const contentsName = 'kata-sysext-bundle.json';
/** The document is padded to it: it is known only when everything else is written. */
export const contentsBytes = 64 * 1024;
export const archiveFolder = 'archives/';
/** SPDX document, licences and sources of what is in the archives: for people and scanners. */
export const noticesFolder = 'notices/';
/** More than a release has: signatures of so many are kept in memory. */
export const maxArchives = 64;

const plain = textLike('a name', /^[A-Za-z0-9][\w.+-]{0,200}$/);
const member = tableOf({ name: plain, digest, sizeBytes: count });

export type Contents = Shaped<typeof shape>;
const shape = tableOf({
  schema: valueLike<1>('1', (value) => value === 1),
  /** The version of the program that made it. */
  version: text,
  archives: listOf(member),
  program: exactOptional(member),
  notices: exactOptional(listOf(member)),
});

/** Throws `bundle-damaged`. */
export function readContents(bytes: Buffer, source: string): Contents {
  let misfit: string | undefined;
  try {
    const value = parseJson(bytes.toString().trimEnd(), { maxBytes: contentsBytes });
    misfit = misfitOf(shape, value) ?? unfit(value as Contents);
    if (misfit === undefined) return value as Contents;
  } catch (error) {
    misfit = error instanceof Error ? error.message : String(error);
  }
  throw new KataError('bundle-damaged', {
    subject: source,
    found: `${source}: ${contentsName}: ${misfit}`,
    needed: 'a file that kata-sysext bundle save made',
    next: 'copy the file again, and compare its sha256 with the one that bundle save printed',
  });
}

function unfit({ archives }: Contents): string | undefined {
  if (archives.length > maxArchives) return `it lists ${archives.length} archives`;
  const names = archives.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? undefined : `it lists ${twice} twice`;
}

/** A ustar header of a regular file (POSIX.1-2017, pax). Without an owner and a time, so that the same content makes the same bytes. */
export function ustarHeader(name: string, sizeBytes: number, mode: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  block.write(name, 0, 100, 'latin1');
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(sizeBytes, 124, 12);
  octal(0, 136, 12);
  block.fill(' ', 148, 156);
  block.write('0', 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** The largest member that twelve octal digits say. */
export const maxMemberBytes = 8 ** 11 - 1;
