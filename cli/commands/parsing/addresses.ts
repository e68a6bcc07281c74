import { resolve } from 'node:path';
import { isAddress, isDecodable, nameIn } from '../../download/address.ts';
import { isOci } from '../../download/oci/reference.ts';
import type { Fetching } from '../../download/types.ts';
import { KataError } from '../../errors/index.ts';
import { words as quoted } from '../../output/index.ts';
import { refuseUnfitMirror } from '../../releases/mirror.ts';
import { isRelease } from '../../releases/word.ts';
import type { Call, Verb } from '../types.ts';

/** Verbs whose words are files of this machine. For `generate` an address is what nodes fetch from. */
const ofFiles = ['check', 'inspect', 'notices'];

/** Verbs that download an https address, against a digest for each of their files. */
const downloading = ['install', 'build', 'adopt', 'bundle', 'releases'];

/**
 * Throws `usage` for a word that is an address from which this verb downloads nothing: as a path it would lose one of its slashes.
 * `argv` is the whole command line: what is to be typed next keeps each option of it.
 */
export function refuseAddresses({ name }: Pick<Verb, 'name'>, words: string[], argv: string[]): void {
  const downloads = downloading.includes(name);
  if (!downloads && !ofFiles.includes(name)) return;
  const takes = name === 'releases' ? /^https:/i : /^(?:https|oci):/i;
  const given = words.filter((word) => isAddress(word) && !(downloads && takes.test(word)));
  const addresses = new Map(given.map((word) => [word, fetching(word)]));
  const [first] = addresses.values();
  if (first === undefined) return;
  const digests = downloads && !hasDigest(argv) ? words.filter(isFile(name)).map(() => '--digest sha256:HEX') : [];
  const line = argv.map((word) => addresses.get(word)?.file ?? withoutPassword(word));
  const fetches = [...addresses.values()].map(({ fetch }) => fetch);
  throw new KataError('usage', {
    subject: first.shown,
    found: downloads ? `${first.shown} is no https address` : `${first.shown} is an address, and ${name} fetches nothing`,
    needed: downloads
      ? 'an https address, or a file of this machine, and the digest that the release page shows for it: it proves that the file is the published one'
      : 'a file of this machine',
    next: `${fetches.join('; then: ')}; then: kata-sysext ${[quoted(line), ...digests].join(' ')}`,
  });
}

/** The words of a downloading verb: addresses as they are, files by their real path. */
export function sourcesOf(words: string[], cwd: string): string[] {
  return words.map((word) => (isAddress(word) || isRelease(word) || isOci(word) ? word : resolve(cwd, word)));
}

/** Throws `usage` for a --from that is neither an https address nor a folder, or that nothing is fetched from. */
export function fetchingOf({ words, options, io }: Pick<Call, 'words' | 'options' | 'io'>): Fetching {
  const path = (value: unknown) => (typeof value === 'string' ? resolve(io.cwd, value) : undefined);
  const from = typeof options['from'] === 'string' ? options['from'] : undefined;
  if (from !== undefined) refuseUnfitMirror(from, words);
  return {
    caFile: path(options['ca-file']),
    registryAuth: path(options['registry-auth']),
    cacheDir: path(options['cache']),
    from: from === undefined || isAddress(from) ? from : path(from),
  };
}

/** The first word of `adopt`, `bundle` and `releases` says what is done. */
function isFile(verb: string): (word: string, index: number) => boolean {
  return (_, index) => !['adopt', 'bundle', 'releases'].includes(verb) || index > 0;
}

function hasDigest(argv: string[]): boolean {
  return argv.some((word) => word === '--digest' || word.startsWith('--digest='));
}

/** The command that fetches an address, and the name that the file has then. A password and a query in it are not repeated. */
function fetching(word: string): { fetch: string; file: string; shown: string } {
  const url = URL.canParse(word) ? new URL(word) : undefined;
  const bare = url === undefined ? word : withoutSecret(url);
  const name = nameIn(word);
  if (url === undefined || !['http:', 'https:', 'ftp:'].includes(url.protocol))
    return { fetch: 'save it as a file', file: name ?? 'FILE', shown: bare };
  const user = url.username === '' ? [] : ['-u', isDecodable(url) ? decodeURIComponent(url.username) : url.username];
  const shown = url.username === '' && url.password === '' && url.search === '' ? word : bare;
  const file = name ?? 'kata-static.tar.zst';
  return {
    fetch: quoted(['curl', name === undefined ? '-fL' : '-fLO', ...user, ...(name === undefined ? ['-o', file] : []), shown]),
    file,
    shown,
  };
}

/** Of another word: an address, or an option with one. */
function withoutPassword(word: string): string {
  const [, before = '', address = ''] = /^((?:--[\w-]+=)?)([a-z][a-z0-9+.-]*:\/\/.*)$/i.exec(word) ?? [];
  return URL.canParse(address) ? before + withoutSecret(new URL(address)) : word;
}

/** With a word to fill in where there is a query. */
function withoutSecret(url: URL): string {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  // A query is often a token; without one the command would fetch something else.
  if (bare.search !== '') bare.search = '?QUERY';
  bare.hash = '';
  return bare.href;
}
