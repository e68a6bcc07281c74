import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import type { TreeEntry } from '../../bundle/index.ts';
import {
  editConfiguration,
  type OwnFile,
  type OwnRequest,
  type OwnSource,
  ownConfiguration,
  ownFolder,
  ownPath,
  type PayloadHandler,
  type Runner,
  requireKind,
} from '../../components/index.ts';
import { readComponent, readerOf } from '../../components/read.ts';
import { KataError } from '../../errors/index.ts';
import { type Digest, digestOf, type Host, openRegular } from '../../host/index.ts';
import type { Layout } from '../../layout/index.ts';
import type { Emit } from '../../output/events.ts';

export interface OwnStaging {
  requests: OwnRequest[];
  /** The staged release: its host path, and the same by a descriptor. */
  tree: string;
  into: string;
  architecture: string;
  emit: Emit;
  signal: AbortSignal;
}

/**
 * Adds handlers with files of the user to a staged release: each file is copied while it is hashed, and the copy is checked. Nothing of the
 * release changes. Throws `component-missing`, `component-unfit`, `component-changed`, `component-not-kept`, `alias-would-dangle`.
 */
export async function addComponents(host: Host, layout: Layout, staging: OwnStaging): Promise<Layout<PayloadHandler>> {
  const { requests, tree, into } = staging;
  if (requests.length === 0) return layout;
  refuseTaken(layout);
  const folders = posix.dirname(ownFolder) === '.' ? [ownFolder] : [posix.dirname(ownFolder), ownFolder];
  const missing = folders.filter((folder) => !layout.entries.some(({ path }) => path === folder));
  for (const folder of missing) await mkdir(posix.join(into, folder), { mode: 0o755 });
  const entries: TreeEntry[] = missing.map((path) => ({ path, kind: 'directory', mode: 0o755 }));
  const handlers: PayloadHandler[] = [];
  for (const request of requests) {
    const base = baseOf(layout, request);
    await host.failpoint('store/component/before');
    const runner: Runner = { handler: base.name, hypervisor: base.hypervisor, architecture: staging.architecture };
    const files: (OwnFile & { fileSystem?: string | undefined })[] = [];
    for (const source of request.files) files.push(await copied(host, request.name, source, runner, staging));
    await host.failpoint('store/component/copied');
    const configuration = ownConfiguration(request.name);
    const text = editConfiguration((await host.readFile(`${tree}/${base.configuration}`)).toString(), {
      alias: request.name,
      base: base.name,
      hypervisor: base.hypervisor,
      files,
    });
    await host.writeFile(`${tree}/${configuration}`, text, { mode: 0o644 });
    const own = { base: base.name, files: files.map(({ fileSystem: _, ...file }) => file) };
    entries.push(fileEntry(configuration, Buffer.byteLength(text), digestOf(text)));
    entries.push(...own.files.map(({ path, sizeBytes, digest }) => fileEntry(path, sizeBytes, digest)));
    const names = [...base.files.filter((path) => path !== base.configuration), configuration, ...own.files.map(({ path }) => path)];
    handlers.push({ ...base, name: request.name, configuration, files: names.sort(), own });
  }
  return { ...layout, entries: [...layout.entries, ...entries], handlers: [...layout.handlers, ...handlers] };
}

/** A release that has something where the files of users lie is not one of Kata's. */
function refuseTaken({ entries }: Layout): void {
  const parent = entries.find(({ path, kind }) => path === posix.dirname(ownFolder) && kind !== 'directory');
  const taken = parent ?? entries.find(({ path }) => path === ownFolder || path.startsWith(`${ownFolder}/`));
  if (taken === undefined) return;
  throw new KataError('bundle-name-taken', {
    subject: taken.path,
    found: `the release has ${taken.path}, where the files of --component lie`,
    needed: 'a release of Kata Containers, which has nothing there',
    next: 'use another bundle, or install without --component',
  });
}

/** Without a name: the release's default, or the only handler that there is. */
function baseOf({ handlers, defaultHandler }: Layout, { name, base }: OwnRequest): PayloadHandler {
  const wanted = base ?? (handlers.length === 1 ? handlers[0]!.name : defaultHandler);
  const found = handlers.find((handler) => handler.name === wanted);
  if (found !== undefined) return found;
  const names = handlers.map((handler) => handler.name);
  throw new KataError('alias-would-dangle', {
    subject: name,
    found: `${name} is based on ${wanted}, which is not among the handlers (${names.join(', ')})`,
    needed: 'a handler of the release that is installed as well',
    next: `add --alias ${name}=${names[0]} to base it on another handler, or --add-handler ${wanted} to install that one as well`,
  });
}

function fileEntry(path: string, sizeBytes: number, digest: Digest): TreeEntry {
  return { path, kind: 'file', mode: 0o644, sizeBytes, digest };
}

async function copied(
  host: Host,
  alias: string,
  source: OwnSource,
  runner: Runner,
  { into, emit, signal }: OwnStaging,
): Promise<OwnFile & { fileSystem?: string | undefined }> {
  const { kind, name } = source;
  const path = ownPath(alias, kind);
  const to = posix.join(into, path);
  emit({ kind: 'phase', name: 'component', detail: `copying the ${kind} of ${alias}` });
  const { digest, sizeBytes } =
    source.file === undefined ? await copyKept(host, alias, source, to, signal) : await copyTo(kind, source.file, to, signal);
  const copy = await openRegular(to);
  try {
    const { fileSystem } = await requireKind(kind, { name, sizeBytes, readAt: readerOf(copy!) }, runner);
    return { kind, name, path, digest, sizeBytes, fileSystem };
  } finally {
    await copy?.close();
  }
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/** What is empty in the file stays a hole: images of guests mostly are. */
async function copyTo(
  kind: OwnSource['kind'],
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<{ digest: Digest; sizeBytes: number }> {
  const onto = await open(to, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o644);
  try {
    const write = async (piece: Buffer, at: number) => {
      if (!isEmpty(piece)) await writeWhole(onto, piece, at);
    };
    const read = await readComponent(kind, from, write, signal);
    await onto.truncate(read.sizeBytes);
    await onto.chmod(0o644);
    return read;
  } finally {
    await onto.close();
  }
}

/** A full disk may take a part, and say nothing. */
async function writeWhole(onto: FileHandle, piece: Buffer, at: number): Promise<void> {
  for (let done = 0; done < piece.length; ) done += (await onto.write(piece, done, piece.length - done, at + done)).bytesWritten;
}

const zeros = Buffer.alloc(1 << 20);

function isEmpty(piece: Buffer): boolean {
  return piece.equals(zeros.subarray(0, piece.length));
}

/** The first place that still has the bytes. */
async function copyKept(
  host: Host,
  alias: string,
  { kind, name, kept }: OwnSource,
  to: string,
  signal: AbortSignal,
): Promise<{ digest: Digest; sizeBytes: number }> {
  for (const path of kept?.paths ?? []) {
    if ((await host.stat(path))?.kind !== 'file') continue;
    const real = await host.locate(await host.realpath(path));
    const read = await copyTo(kind, real, to, signal).catch(unlessUnfit);
    if (read !== undefined && read.digest === kept?.digest) return read;
    await rm(to, { force: true });
  }
  throw new KataError('component-not-kept', {
    subject: alias,
    found: `${alias} has the ${kind} ${name}, and no generation here has its bytes any more (${kept?.digest})`,
    needed: 'the file, or the removal of the alias',
    next: `add --component ${alias}:${kind}=FILE to the command, or --alias ${alias}= to remove the alias`,
  });
}

/** What is no component any more has other bytes. */
function unlessUnfit(error: unknown): undefined {
  if (error instanceof KataError && ['component-unfit', 'component-missing', 'component-changed', 'host-file-unfit'].includes(error.code))
    return;
  throw error;
}

/** How many bytes the components take, as far as it shows before they are copied. */
export async function componentBytes(host: Host, requests: OwnRequest[]): Promise<number> {
  let sum = 0;
  for (const { files } of requests) {
    for (const { file, kept } of files) {
      const there = file === undefined ? undefined : await stat(file).catch(() => undefined);
      const sizes = await Promise.all((kept?.paths ?? []).map(async (path) => (await host.stat(path))?.sizeBytes ?? 0));
      sum += there?.size ?? Math.max(0, ...sizes);
    }
  }
  return sum;
}
