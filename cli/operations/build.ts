import { chmod, lstat, mkdtemp, open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import fs from 'fs-extra';
import type { OwnRequest } from '../components/types.ts';
import type { Fetching } from '../download/types.ts';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { type Architecture, ownArchitecture } from '../facts/index.ts';
import { type Digest, type HostView, openHost, stopIfAsked, stoppable } from '../host/index.ts';
import { describeImage, type Image, type ImageFormat, makerFindings, readTrailer } from '../images/index.ts';
import { handlerRow } from '../layout/index.ts';
import { refuse } from '../preflight/engine.ts';
import { archivesOf, catalogueFor, namedRelease } from '../releases/index.ts';
import type { Context } from '../runner/types.ts';
import type { Collected } from '../sbom/index.ts';
import { hasVersions, imageName, type Staged, stagePayload, stateFolder } from '../store/index.ts';

export interface BuildRequest {
  /** Real paths on this machine, and https addresses. */
  sources: string[];
  fetching?: Fetching | undefined;
  digests: (Digest | undefined)[];
  /** By either name; none: the release's default. */
  handlers: string[];
  /** Handlers with files of the user. */
  own?: OwnRequest[];
  format: ImageFormat;
  /** Default: this machine's. */
  architecture?: Architecture | undefined;
  /** Real path of the file to make; it must not be there. */
  file: string;
  /** Seconds: the time of everything in the image. */
  epoch: number;
  /** Real path of a folder for the sources of what is in the image; undefined: they are not fetched. */
  sourcesFolder?: string | undefined;
}

export interface Built {
  image: Image;
  /** What became of the sources of each component. */
  collected?: Collected[];
}

/**
 * Makes an image of a release off the host. All work is done in a folder beside the file, as in a host tree of its own: no root, no lock,
 * no fact of this machine goes in. The same request and the same programs make the same bytes. Throws the codes of the bundle,
 * `image-tool-missing`, `image-tool-old`, `host-space`, `usage`.
 */
export async function build(context: Context, request: BuildRequest): Promise<Built> {
  const { host, emit, signal } = context;
  const { file, fetching, format, epoch } = request;
  const architecture = request.architecture ?? ownArchitecture();
  if (architecture === undefined) throw unknownArchitecture();
  const handlers = request.handlers.length === 0 ? undefined : [...new Set(request.handlers.map((name) => handlerRow(name).name))];
  const named = namedRelease(request);
  const { sources, digests } =
    named === undefined ? request : archivesOf(await catalogueFor(host, named), { named, architecture, handlers, from: fetching?.from });
  refuse(await makerFindings(host, format), []);
  await refuseTaken(file);
  const folder = await workFolder(file);
  try {
    const bench = stoppable(openHost(folder, host.env), signal);
    await fs.ensureDir(join(folder, stateFolder));
    const staged = await stagePayload(bench, {
      sources,
      digests,
      fetching,
      handlers,
      own: request.own,
      architecture,
      root: stateFolder,
      format,
      epoch,
      emit,
      signal,
    });
    const collected =
      request.sourcesFolder === undefined ? {} : { collected: await collect(bench, staged, request, architecture, context) };
    const made = await bench.locate(`${staged.whole!}/${imageName}`);
    await chmod(made, 0o644);
    await refuseTaken(file);
    stopIfAsked(signal);
    await rename(made, file);
    await syncFolder(dirname(file));
    const { sizeBytes, digest } = staged.manifest.image!;
    return { image: describeImage(file, { sizeBytes, digest }, (await readTrailer(file))!), ...collected };
  } finally {
    await fs.remove(folder);
  }
}

async function collect(
  bench: HostView,
  { manifest, tree }: Staged,
  { sourcesFolder, fetching }: BuildRequest,
  architecture: Architecture,
  { emit, signal }: Pick<Context, 'emit' | 'signal'>,
): Promise<Collected[]> {
  const { collectSources, readVersions, sourcesOf, versionsName } = await import('../sbom/index.ts');
  const { release, entries } = manifest;
  const paths = entries.flatMap(({ path, kind }) => (kind === 'file' ? [path] : []));
  const versions = await readVersions(hasVersions(entries) ? await bench.readText(`${tree}/${versionsName}`) : undefined);
  const sources = sourcesOf({ paths, release, architecture, versions });
  return collectSources({ sources, folder: sourcesFolder!, fetching, emit, signal });
}

async function refuseTaken(file: string): Promise<void> {
  if ((await lstat(file).catch(() => undefined)) === undefined) return;
  throw unusable(file, `${file} is there already`, `choose another name, or: rm ${commandWord(file)}`);
}

/** On the file's own file system, so that it gets its name by a rename. */
async function workFolder(file: string): Promise<string> {
  try {
    return await mkdtemp(join(dirname(file), `.${basename(file)}.kata-sysext-`));
  } catch (error) {
    throw unusable(
      file,
      `nothing can be made in ${dirname(file)}: ${errnoOf(error) ?? String(error)}`,
      'name a file in a folder that can be written',
      error,
    );
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

function unusable(subject: string, found: string, next: string, cause?: unknown): KataError {
  return new KataError('usage', { subject, found, needed: 'a file that is not there yet, in a folder that can be written', next, cause });
}

function unknownArchitecture(): KataError {
  return new KataError('usage', {
    subject: '--architecture',
    found: 'this machine is of no architecture that Kata is made for',
    needed: 'the architecture of the hosts that the image is for',
    next: 'kata-sysext build --help',
  });
}
