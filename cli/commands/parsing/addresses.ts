import { posix } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { words as quoted } from '../../output/index.ts';
import type { Verb } from '../types.ts';

/** Verbs whose words are files of this machine. For `generate` an address is what nodes fetch from. */
const ofFiles = ['install', 'check', 'build', 'adopt', 'inspect'];

export function isAddress(word: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(word);
}

/**
 * Throws `usage` for a word that is an address: nothing is fetched, and as a path it would lose one of its slashes.
 * `argv` is the whole command line: what is to be typed next keeps each option of it.
 */
export function refuseAddresses({ name }: Pick<Verb, 'name'>, words: string[], argv: string[]): void {
  if (!ofFiles.includes(name)) return;
  const addresses = new Map(words.filter(isAddress).map((word) => [word, fetching(word)]));
  const [first] = addresses.values();
  if (first === undefined) return;
  const digests = proving.includes(name) && !hasDigest(argv) ? words.filter(isFile(name)).map(() => '--digest sha256:HEX') : [];
  const line = argv.map((word) => addresses.get(word)?.file ?? word);
  const fetches = [...addresses.values()].map(({ fetch }) => fetch);
  throw new KataError('usage', {
    subject: first.shown,
    found: `${first.shown} is an address, and ${name} fetches nothing`,
    needed: proving.includes(name)
      ? 'a file of this machine, and the digest that the release page shows for it: it proves that the file is the published one'
      : 'a file of this machine',
    next: `${fetches.join('; then: ')}; then: kata-sysext ${[quoted(line), ...digests].join(' ')}`,
  });
}

/** Verbs that take a digest for each of their files. */
const proving = ['install', 'build', 'adopt'];

/** The first word of `adopt` is what is adopted. */
function isFile(verb: string): (word: string, index: number) => boolean {
  return (_, index) => verb !== 'adopt' || index > 0;
}

function hasDigest(argv: string[]): boolean {
  return argv.some((word) => word === '--digest' || word.startsWith('--digest='));
}

/** The command that fetches an address, and the name that the file has then. A password in it is not repeated. */
function fetching(word: string): { fetch: string; file: string; shown: string } {
  const url = URL.canParse(word) ? new URL(word) : undefined;
  if (url === undefined || !['http:', 'https:', 'ftp:'].includes(url.protocol)) {
    return { fetch: 'save it as a file', file: nameIn(url?.pathname ?? '') ?? 'FILE', shown: withoutSecret(url)?.href ?? word };
  }
  const user = url.username === '' ? [] : ['-u', decodeURIComponent(url.username)];
  const shown = url.username === '' && url.password === '' ? word : withoutSecret(url)!.href;
  const name = nameIn(url.pathname);
  const file = name ?? 'kata-static.tar.zst';
  return {
    fetch: quoted(['curl', name === undefined ? '-fL' : '-fLO', ...user, ...(name === undefined ? ['-o', file] : []), shown]),
    file,
    shown,
  };
}

function withoutSecret(url: URL | undefined): URL | undefined {
  if (url === undefined) return undefined;
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return bare;
}

/** curl -O takes the last part of the path as it is. */
function nameIn(path: string): string | undefined {
  const name = posix.basename(path);
  return name === '' || path.endsWith('/') || name.startsWith('-') ? undefined : name;
}
