import { httpsAddress, isAddress, shownAddress } from '../download/address.ts';
import { KataError } from '../errors/index.ts';
import { isRelease } from './word.ts';

/** Throws `usage` for a `--from` that is neither an https address nor a folder, or that no word is fetched from. */
export function refuseUnfitMirror(from: string, words: string[]): void {
  if (!words.some(isRelease)) throw noRelease(from);
  if (!isAddress(from)) return;
  if (/[?#]/.test(from)) throw withQuery(from);
  httpsAddress(from.replace(/\/*$/, '/kata.tar.zst'));
}

function withQuery(from: string): KataError {
  return new KataError('usage', {
    subject: '--from',
    found: `--from ${shownAddress(from)} with ? or # behind it`,
    needed: 'the address of a folder, to which the name of an archive is added',
    next: 'name the archive itself with its own address and --digest',
  });
}

function noRelease(from: string): KataError {
  return new KataError('usage', {
    subject: '--from',
    found: `--from ${shownAddress(from)} without a release that is named by its version`,
    needed: 'kata@VERSION; a file and an address say themselves where they are',
    next: 'kata-sysext releases',
  });
}
