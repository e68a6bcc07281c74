import { createHash } from 'node:crypto';
import { type FileHandle, lstat, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { formatOf } from '../bundle/formats.ts';
import {
  archiveFolder,
  type Contents,
  contentsBytes,
  contentsName,
  maxArchives,
  maxMemberBytes,
  noticesFolder,
  ustarHeader,
} from '../bundle/savedFormat.ts';
import { openSource } from '../bundle/sourceBytes.ts';
import { blockBytes } from '../bundle/tarHeader.ts';
import { isAddress } from '../download/address.ts';
import type { Fetching } from '../download/types.ts';
import { errnoOf, KataError } from '../errors/index.ts';
import { type Architecture, ownArchitecture } from '../facts/index.ts';
import { type Digest, type HostView, piecesOf } from '../host/index.ts';
import { putNew } from '../host/newFile.ts';
import { writeWhole } from '../host/writeWhole.ts';
import { handlerRow } from '../layout/index.ts';
import type { Emit } from '../output/index.ts';
import { archivesOf, catalogueFor, namedRelease } from '../releases/index.ts';
import { type SignatureFile, signatureSuffix } from '../trust/index.ts';
import { noticesIfRelease } from './archiveNotices.ts';

export interface SaveRequest {
  sources: string[];
  digests: (Digest | undefined)[];
  /** By position: what a source is called, where its place does not say it. */
  names?: (string | undefined)[];
  signatures: SignatureFile[];
  handlers: string[];
  architecture: Architecture | undefined;
  fetching: Fetching;
  /** Real path of the single file. */
  program: string | undefined;
  /** Of this program. */
  version: string;
  /** Real path of the file to make; it must not be there. */
  file: string;
  emit: Emit;
  signal: AbortSignal;
}

export interface Saved extends Contents {
  file: string;
  sizeBytes: number;
  digest: Digest;
}

const programName = 'kata-sysext';

/**
 * Makes one file of archives and the program. It gets its name once it is whole and every archive had its digest.
 * Throws `usage`, `release-unknown`, `bundle-digest` and the codes of reading and downloading.
 */
export async function saveBundle(host: HostView, request: SaveRequest): Promise<Saved> {
  const { file } = request;
  const named = namedRelease(request);
  const { sources, digests } = named === undefined ? request : await archivesNamed(host, named, request);
  const names = sources.map((source, index) => request.names?.[index] ?? nameOf(source));
  await refuseUnfit(request, sources, names);
  const taken = () => usage(`${file} is there already`, 'a name that nothing has');
  if (await isThere(file)) throw taken();
  let saved: Saved | undefined;
  const write = async (onto: FileHandle): Promise<void> => {
    const contents = await writeMembers(onto, request, sources, names, digests);
    saved = { ...contents, file, sizeBytes: (await onto.stat()).size, digest: await digestOf(onto) };
  };
  await putNew(file, write, taken).catch((error: unknown) => {
    const errno = errnoOf(error);
    if (errno === undefined || error instanceof KataError) throw error;
    throw usage(`${file} cannot be made (${errno})`, 'a folder in which this user may write, with room for all of it', error);
  });
  return saved!;
}

async function refuseUnfit({ program }: SaveRequest, sources: readonly string[], names: readonly string[]): Promise<void> {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw usage(`two archives have the name ${twice}`, 'archives of different names');
  if (names.length > maxArchives) throw usage(`${names.length} archives`, `the archives of one release, at most ${maxArchives}`);
  if (program !== undefined && (await stat(program).catch(() => undefined))?.isFile() !== true)
    throw usage(`the program ${program} is no file`, 'the single file of kata-sysext');
  for (const source of sources)
    if (!isAddress(source) && (await stat(source).catch(() => undefined))?.isDirectory() === true)
      throw usage(`${source} is a folder`, 'archives as Kata publishes them');
}

async function writeMembers(
  onto: FileHandle,
  request: SaveRequest,
  sources: readonly string[],
  names: readonly string[],
  digests: SaveRequest['digests'],
): Promise<Contents> {
  const { signatures, program, version } = request;
  const tar = writerOnto(onto, blockBytes + contentsBytes);
  const archives: Contents['archives'] = [];
  for (const [index, { content }] of signatures.entries()) {
    await tar.add(`${archiveFolder}${names[index]}${signatureSuffix(content)}`, 0o644, [content]);
  }
  for (const [index, source] of sources.entries()) archives.push(await addArchive(tar, source, names[index]!, digests[index], request));
  const added = program === undefined ? undefined : await tar.add(programName, 0o755, piecesOf(program, { follow: true }));
  await tar.end();
  const contents: Contents = { schema: 1, version, archives, program: added && { name: programName, ...added } };
  await writeContents(onto, contents);
  const { architecture, emit, signal } = request;
  // Read once more, from the file itself, as an installation would read them.
  const own = { sources: [`/proc/self/fd/${onto.fd}`], archives, program: contents.program };
  const notices = await noticesIfRelease({ ...own, architecture, version, emit, signal });
  if (notices.length === 0) return contents;
  const listed: Contents['notices'] = [];
  for (const { name, text } of notices) listed.push({ name, ...(await tar.add(`${noticesFolder}${name}`, 0o644, [Buffer.from(text)])) });
  await tar.end();
  await writeContents(onto, { ...contents, notices: listed });
  return { ...contents, notices: listed };
}

async function archivesNamed(host: HostView, named: string, { handlers, architecture = ownArchitecture(), fetching }: SaveRequest) {
  if (architecture === undefined) throw usage('the architecture of this machine is not known', '--architecture');
  const names = handlers.length === 0 ? undefined : [...new Set(handlers.map((name) => handlerRow(name).name))];
  return archivesOf(await catalogueFor(host, named), { named, architecture, handlers: names, from: fetching.from });
}

async function addArchive(
  tar: Tar,
  source: string,
  name: string,
  wanted: Digest | undefined,
  request: SaveRequest,
): Promise<Contents['archives'][number]> {
  const { emit, signal, fetching } = request;
  emit({ kind: 'phase', name: 'save', detail: `saving ${name}` });
  let doneBytes = 0;
  const bytes = await openSource(source, {
    signal,
    fetching,
    wanted,
    onNote: (text) => emit({ kind: 'warning', text }),
    onBytes: (more) => {
      doneBytes += more;
      emit({ kind: 'bytes', name: 'save', doneBytes, totalBytes: bytes.sizeBytes });
    },
  });
  try {
    if (formatOf(bytes.head) === undefined || bytes.head.toString('latin1', 0, 100).startsWith(contentsName))
      throw usage(`${name} is no archive of a release`, 'archives as Kata publishes them; a saved bundle is copied as it is');
    const added = await tar.add(`${archiveFolder}${name}`, 0o644, bytes.chunks(true));
    if (wanted === undefined || wanted === added.digest) return { name, ...added };
    await bytes.forget();
    throw new KataError('bundle-digest', {
      subject: name,
      found: `${name} has the digest ${added.digest}`,
      needed: `the digest ${wanted}`,
      next: 'fetch the archive again; if the digest stays, do not trust its origin',
    });
  } finally {
    await bytes.close();
  }
}

interface Tar {
  add(name: string, mode: number, pieces: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<{ digest: Digest; sizeBytes: number }>;
  end(): Promise<void>;
}

/** Members one behind the other, from `at` on: the size of each goes into its header when it is known. */
function writerOnto(file: FileHandle, begin: number): Tar {
  let at = begin;
  return {
    async add(name, mode, pieces) {
      const header = at;
      const hash = createHash('sha256');
      at += blockBytes;
      for await (const piece of pieces) {
        hash.update(piece);
        await writeWhole(file, piece, at);
        at += piece.length;
      }
      const sizeBytes = at - header - blockBytes;
      if (sizeBytes > maxMemberBytes) throw usage(`${name} has ${sizeBytes} bytes`, `at most ${maxMemberBytes} bytes`);
      await writeWhole(file, ustarHeader(name, sizeBytes, mode), header);
      at = Math.ceil(at / blockBytes) * blockBytes;
      return { digest: `sha256:${hash.digest('hex')}`, sizeBytes };
    },
    end: () => file.truncate(at + 2 * blockBytes),
  };
}

async function writeContents(file: FileHandle, contents: Contents): Promise<void> {
  const text = `${JSON.stringify(contents, undefined, 2)}\n`;
  if (Buffer.byteLength(text) > contentsBytes) throw usage('too many archives', 'the archives of one release');
  const padded = Buffer.alloc(contentsBytes, ' ');
  padded.write(text);
  await writeWhole(file, Buffer.concat([ustarHeader(contentsName, contentsBytes, 0o644), padded]), 0);
}

async function digestOf(file: FileHandle): Promise<Digest> {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(1 << 20);
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return `sha256:${hash.digest('hex')}`;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** It becomes the name of a member. */
function nameOf(source: string): string {
  // Of an artefact whose layer has no name; a colon and @ are in no member.
  const name = (isAddress(source) ? basename(new URL(source).pathname) : basename(source)).replace(
    /@sha256:([0-9a-f]{12})[0-9a-f]*$/,
    '-$1',
  );
  if (/^[A-Za-z0-9][\w.+-]{0,80}$/.test(name)) return name;
  throw usage(`the name ${JSON.stringify(name)}`, 'a name of letters, digits and the signs . _ + -');
}

async function isThere(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

function usage(found: string, needed: string, cause?: unknown): KataError {
  return new KataError('usage', { subject: 'bundle save', found, needed, next: 'kata-sysext bundle --help', cause });
}
