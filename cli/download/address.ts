import { posix } from 'node:path';
import { commandWord, KataError } from '../errors/index.ts';

export function isAddress(word: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(word);
}

/** As it may be printed and kept: a user, a password and a query are secrets of the one who typed it. */
export function shownAddress(word: string): string {
  if (!isAddress(word)) return word;
  if (!URL.canParse(word)) return 'an address that cannot be read';
  const { protocol, host, pathname } = new URL(word);
  return `${protocol}//${host}${pathname}`;
}

/** The command that shows how a file of this machine or of an address begins. */
export function lookAt(place: string): string {
  return isAddress(place) ? `curl -fsSL ${commandWord(shownAddress(place))} | head -c 300` : `head -c 300 ${commandWord(place)}`;
}

/** The name of the file that an address names; undefined where its path ends with no name. */
export function nameIn(word: string): string | undefined {
  const path = URL.canParse(word) ? new URL(word).pathname : '';
  const name = posix.basename(path);
  return name === '' || path.endsWith('/') || name.startsWith('-') ? undefined : name;
}

/** Whether the percent signs of a user and a password are what they should be. */
export function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(`${username}${password}`);
    return true;
  } catch {
    return false;
  }
}

/** Throws `usage` for an address from which nothing is downloaded. Its path may end with no name, as those of token servers do. */
export function httpsAddress(word: string): URL {
  const url = URL.canParse(word) ? new URL(word) : undefined;
  if (url?.protocol === 'https:' && url.hostname !== '' && isDecodable(url)) return url;
  throw notOfFile(word);
}

/** The name of the file that an https address names. Throws `usage` for any other address, and where its path ends with no name. */
export function requireName(word: string): string {
  httpsAddress(word);
  const name = nameIn(word);
  if (name === undefined) throw notOfFile(word);
  return name;
}

function notOfFile(word: string): KataError {
  return new KataError('usage', {
    subject: shownAddress(word),
    found: `${shownAddress(word)} is no https address of a file`,
    needed: 'https://HOST/…/NAME: without TLS others see and change what is sent',
    next: 'fetch the file with a program of your own and name the file',
  });
}
