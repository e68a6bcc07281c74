import { resolve } from 'node:path';
import type { OwnRequest } from '../../components/index.ts';
import { commandWord, KataError } from '../../errors/index.ts';
import { type Architecture, ownArchitecture } from '../../facts/index.ts';
import { type Image, type ImageFormat, readImage } from '../../images/index.ts';
import { build as buildImage } from '../../operations/build.ts';
import { bytes } from '../../output/index.ts';
import { namesOfWords } from '../../planning/choices/componentWords.ts';
import { requestOf } from '../../planning/choices/own.ts';
import type { Collected } from '../../sbom/index.ts';
import { fetchingOf, sourcesOf } from '../parsing/addresses.ts';
import { withArtefacts } from '../parsing/artefacts.ts';
import { digestsFor, list, text } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function build(call: Call): Promise<Reply> {
  const { words, options, io, context } = call;
  const output = text(options['output']);
  if (output === undefined || output === '') throw usage('--output', 'no output file is named', '-o FILE');
  const architecture = text(options['architecture']) as Architecture | undefined;
  const folder = text(options['sources']);
  const { image, collected } = await buildImage(context, {
    ...(await withArtefacts(
      call,
      { sources: sourcesOf(words, io.cwd), digests: digestsFor('build', words, options) },
      async () => architecture ?? ownArchitecture(),
    )),
    fetching: fetchingOf(call),
    handlers: list(options['handler']),
    own: ownOf(call),
    format: (text(options['format']) ?? 'squashfs') as ImageFormat,
    file: resolve(io.cwd, output),
    epoch: epochOf(io.env['SOURCE_DATE_EPOCH']),
    architecture,
    sourcesFolder: folder === undefined ? undefined : resolve(io.cwd, folder),
  });
  return {
    kind: 'Image',
    body: { ...image, collected },
    made: true,
    text: imageText(image, [
      ...(collected ?? []).map(collectedText),
      `Next, on the host: kata-sysext install ${commandWord(output)} --backend sysext --digest ${image.digest}`,
    ]),
  };
}

/** An image has handlers, those with files of the user among them; other aliases are chosen where it is installed. */
function ownOf({ options, io }: Call): OwnRequest[] {
  const { aliases, own } = namesOfWords(list(options['alias']), list(options['component']), (path) => resolve(io.cwd, path));
  const [plain] = aliases;
  if (plain !== undefined)
    throw usage('--alias', `--alias ${plain.name}=${plain.handler ?? ''} without a --component for it`, 'a component for each alias');
  return own.map((each) => requestOf(each));
}

/** As reproducible-builds.org defines it: seconds, in decimal. The file systems keep them in 32 bits. */
function epochOf(value: string | undefined): number {
  if (value === undefined || value === '') return 0;
  if (/^\d{1,10}$/.test(value) && Number(value) < 2 ** 32) return Number(value);
  throw usage('SOURCE_DATE_EPOCH', `SOURCE_DATE_EPOCH=${value}`, 'seconds since 1970, in decimal, below 2^32');
}

function usage(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext build kata-static-4.1.0-amd64.tar.zst -o kata.raw' });
}

export async function inspect({ words, options, io }: Call): Promise<Reply> {
  const { image, manifest } = await readImage(resolve(io.cwd, words[0]!));
  const verbose = options['verbose'] === true;
  const body = verbose ? { ...image, contents: manifest.contents } : image;
  return { kind: 'Image', body, text: imageText(body) };
}

/** An image for people. */
function imageText(image: Image, last: string[] = []): string[] {
  const { file, sizeBytes, contentBytes, files, format, release, architecture, handlers, sources, tool, epoch } = image;
  const share = contentBytes === 0 ? '' : `, ${Math.round((100 * sizeBytes) / contentBytes)} % of what is in it`;
  return [
    `${file}: ${format}, ${bytes(sizeBytes)}${share}`,
    `digest:   ${image.digest}`,
    `release:  Kata ${release}, ${architecture}`,
    ...handlers.map(
      ({ name, family, hypervisor, own }) =>
        `handler:  ${name}  (${hypervisor}, ${family === 'go' ? 'Go' : 'Rust'}${own === undefined ? '' : `, ${ownText(own)}`})`,
    ),
    `files:    ${files}, ${bytes(contentBytes)}`,
    ...sources.map((source) => `from:     ${source.name} ${source.digest}`),
    `made by:  kata-sysext ${image.program} with ${tool}; times in it: ${new Date(epoch * 1000).toISOString()}; not signed`,
    ...(image.contents ?? []).map(
      ({ path, kind, mode, context, digest, target }) =>
        `  ${mode.toString(8).padStart(4, '0')} ${context} ${path}${ending(kind, digest, target)}`,
    ),
    ...last,
  ];
}

function collectedText({ component, file, digest, reason }: Collected): string {
  return file === undefined ? `sources:  ${component}: not collected: ${reason}` : `sources:  ${component}: ${file} ${digest}`;
}

function ownText({ base, files }: NonNullable<Image['handlers'][number]['own']>): string {
  return [`like ${base}`, ...files.map(({ kind, name, digest }) => `${kind} ${name} ${digest}`)].join(', ');
}

function ending(kind: string, digest?: string, target?: string): string {
  if (kind === 'directory') return '/';
  return kind === 'symlink' ? ` -> ${target}` : ` ${digest}`;
}
