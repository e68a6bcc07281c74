import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { promisify } from 'node:util';
import { machineOf } from '../../bundle/index.ts';
import { isAddress } from '../../download/address.ts';
import { commandWord, KataError } from '../../errors/index.ts';
import { ownArchitecture } from '../../facts/index.ts';
import { type ComponentSource, containerfileNames, filesOf, isCompressed, type Source } from '../../generate/index.ts';
import { cleanEnvironment, type Digest, digestOfFile, readHead, unlessStopped } from '../../host/index.ts';
import { namesOfWords } from '../../planning/choices/componentWords.ts';
import { version } from '../../version.ts';
import { list, text } from '../parsing/options.ts';
import type { Call } from '../types.ts';
import { withUnpacked } from './compressedProgram.ts';

/**
 * The program and the bundles that nodes fetch. A file of this machine is read for its digest, and is fetched from below `--from` by its
 * name; for a URL the digest has to be named. `inside`: they become part of an image, nothing is fetched. Throws `usage` and
 * `bundle-missing`.
 */
export async function sourcesOf(
  { options, io, context }: Call,
  words: string[],
  inside: boolean,
): Promise<{ program: Source; bundles: Source[]; components: ComponentSource[] }> {
  const from = text(options['from']);
  const program = text(options['program']);
  if (program === undefined) throw usage('--program', 'no program is named for the nodes', '--program FILE|URL: the single file');
  const one = (word: string, digest: string | undefined) => sourceOf({ word, digest, from, inside, cwd: io.cwd, signal: context.signal });
  const digests = list(options['digest']);
  if (digests.length > words.length)
    throw usage('--digest', `${digests.length} digests for ${words.length} bundles`, 'at most one for each BUNDLE, in order');
  if (!isAddress(program)) await needProgram(program, resolve(io.cwd, program), { inside, signal: context.signal });
  const own = await one(program, text(options['program-digest']));
  const bundles: Source[] = [];
  for (const [index, word] of words.entries()) bundles.push(await one(word, digests[index]));
  const components = await componentsOf(list(options['alias']), list(options['component']), (word) => one(word, undefined));
  const made = inside ? [...containerfileNames, ...[own.name].filter((name) => name !== 'kata-sysext')] : [];
  const names = [
    'kata-sysext',
    ...(isCompressed(own) ? ['kata-sysext.zst'] : []),
    ...made,
    ...[...bundles, ...filesOf(components)].map(({ name }) => name),
  ];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw usage(twice, `two files are called ${twice}`, 'another name for each');
  return { program: own, bundles, components };
}

/**
 * Files of the user for handlers: files of this machine, because nothing else says their digests. Two of one name have to be the same file.
 * Throws `usage` and `bundle-missing`.
 */
async function componentsOf(aliases: string[], words: string[], one: (word: string) => Promise<Source>): Promise<ComponentSource[]> {
  const { own } = namesOfWords(aliases, words, (path) => path);
  const found: ComponentSource[] = [];
  for (const { name, files } of own) {
    for (const { kind, file } of files) {
      if (isAddress(file))
        throw usage('--component', `--component ${kind}=${file}`, 'a file of this machine, which nodes fetch from --from');
      const source = await one(file);
      const other = found.find((each) => each.source.name === source.name && each.source.digest !== source.digest);
      if (other !== undefined) throw usage(source.name, `two files are called ${source.name}`, 'another name for each');
      found.push({ word: `${name}:${kind}`, source });
    }
  }
  return found;
}

/** As `needSingleFile`, of a program that may be compressed with zstd. Throws `usage` for that one where it becomes part of an image, too. */
async function needProgram(word: string, file: string, { inside, signal }: { inside: boolean; signal: AbortSignal }): Promise<void> {
  const isFile = (await stat(file).catch(() => undefined))?.isFile() === true;
  if (!isCompressed({ name: word }) || !isFile) return await needSingleFile(word, file, { run: false });
  if (inside) throw usage('--program', `${word} is compressed`, 'the single file itself: it becomes part of the image');
  const tooLarge = (bytes: number) => otherProgram(`${word} unpacks to more than ${bytes} bytes`, false);
  await withUnpacked(file, signal, tooLarge, (program) => needSingleFile(word, program, { run: false }));
}

/** A word of the command line. */
export interface SourceRequest {
  word: string;
  digest: string | undefined;
  from: string | undefined;
  inside: boolean;
  cwd: string;
  signal: AbortSignal;
}

/** As `sourcesOf`, of one file or URL. */
export async function sourceOf({ word, digest, from, inside, cwd, signal }: SourceRequest): Promise<Source> {
  const expected = digest === undefined ? undefined : checkedDigest(digest);
  const remote = isAddress(word);
  const name = nameOf(remote ? urlOf(word).pathname : word);
  if (remote) {
    if (inside) throw usage(word, `${word} is no file of this machine`, 'a file that the image can have');
    if (expected === undefined) throw usage(word, `the digest of ${word} is not known`, 'its --digest (or --program-digest) sha256:HEX');
    return { name, digest: expected, url: urlOf(word).href };
  }
  const file = resolve(cwd, word);
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) {
    throw new KataError('bundle-missing', {
      subject: file,
      found: found === undefined ? `${file} is not there` : `${file} is no file`,
      needed: 'one file: nodes fetch no folders',
      next: `ls -l ${commandWord(file)}`,
    });
  }
  const actual = await unlessStopped(digestOfFile(file), signal);
  if (expected !== undefined && expected !== actual) {
    throw new KataError('bundle-digest', { subject: file, found: actual, needed: expected, next: `sha256sum ${commandWord(file)}` });
  }
  if (inside) return { name, digest: actual };
  return { name, digest: actual, url: placeOf(from, name), sizeBytes: found.size };
}

/** The address of a file below `--from`. Throws `usage`. */
export function placeOf(from: string | undefined, name: string): string {
  if (from === undefined)
    throw usage(
      '--from',
      `no address is named from which nodes fetch ${name}`,
      '--from ADDRESS: the folder on your server that will have it',
    );
  return new URL(encodeURIComponent(name), `${urlOf(from).href.replace(/\/*$/, '')}/`).href;
}

/** Names go into scripts and into units. */
function nameOf(path: string): string {
  const name = basename(path);
  if (/^[A-Za-z0-9][\w.+-]*$/.test(name)) return name;
  throw usage(name, `the file name ${JSON.stringify(name)}`, 'a name of letters, digits and the signs . _ + -');
}

function urlOf(word: string): URL {
  const url = URL.canParse(word) ? new URL(word) : undefined;
  if (url !== undefined && (url.username !== '' || url.password !== '')) throw withSecret(url);
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '') return url;
  throw usage(
    word,
    `${word} is no address that nodes can fetch from`,
    'an address that begins with https:// or http:// and has neither ? nor #',
  );
}

/** What is fetched is known by its digest; but every user of the node could read the script, its journal and its MachineConfig. */
function withSecret({ host }: URL): KataError {
  return usage(
    host,
    `an address with a user name or a password in it, on ${host}`,
    'an address without: it is in a script and in the journal, which other users of the node can read',
  );
}

/** Throws `usage` for what is no digest. */
export function checkedDigest(value: string): Digest {
  const hex = /^(?:sha256:)?([0-9a-fA-F]{64})$/.exec(value)?.[1];
  if (hex !== undefined) return `sha256:${hex.toLowerCase()}`;
  throw usage('--digest', `the digest ${value}`, 'sha256: and 64 hexadecimal digits');
}

export function usage(subject: string, found: string, needed: string, next = 'kata-sysext generate --help'): KataError {
  return new KataError('usage', { subject, found, needed, next });
}

/**
 * Refuses what is not the single file of this version. One for another architecture, or that this machine cannot start (a missing loader, no
 * right to), is taken by its ELF head, but not where it has to `run` here. Throws `bundle-missing` and `usage`.
 *
 * @param word as it was typed
 * @param file its real path
 */
export async function needSingleFile(word: string, file: string, { run }: { run: boolean }): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) {
    throw new KataError('bundle-missing', {
      subject: file,
      found: found === undefined ? `${file} is not there` : `${file} is no file`,
      needed: `the single file of kata-sysext ${version}`,
      next: 'npm run single, which makes it below dist/single',
    });
  }
  const machine = machineOf(await readHead(file, 20, { follow: true }));
  if (machine === undefined) throw otherProgram(`${word} is no program (no ELF file)`, run);
  if (machine !== ownArchitecture()) {
    if (run) throw otherProgram(`${word} is for ${machine}, and this machine is ${ownArchitecture()}`, run);
    return;
  }
  const said = await promisify(execFile)(file, ['--version'], { timeout: 30_000, env: cleanEnvironment }).then(
    ({ stdout }) => stdout.trim().split('\n')[0]!,
    ({ code }: { code?: unknown }) => (!run && (code === 'EACCES' || code === 'ENOENT') ? version : 'nothing that says its version'),
  );
  if (said !== version) throw otherProgram(`${word} is ${said === '' ? 'nothing that says its version' : said.slice(0, 80)}`, run);
}

function otherProgram(found: string, run: boolean): KataError {
  const needed = `the single file of kata-sysext ${version}${run ? ' for this machine: it becomes part of the archive' : ''}`;
  return usage('--program', found, needed, 'npm run single, which makes it below dist/single');
}
