import { resolve } from 'node:path';
import { imagingBackend, plainBackend } from '../../backends/registry.ts';
import type { KataError } from '../../errors/index.ts';
import { generate, type OutputKind, type PoolRequest, type Source, type Target } from '../../generate/index.ts';
import { stopIfAsked } from '../../host/index.ts';
import { namesOfWords } from '../../planning/choices/componentWords.ts';
import { givenImage } from '../../planning/choices/givenImage.ts';
import type { InstallRequest } from '../../planning/choices/types.ts';
import { render } from '../../rendering/index.ts';
import { engineOf, list, text } from '../parsing/options.ts';
import { settingsRequestOf } from '../parsing/settingsRequest.ts';
import type { Call, Reply } from '../types.ts';
import { asMade, copyNew, reply, writeNew } from './newFiles.ts';
import { checkedDigest, needSingleFile, placeOf, sourceOf, usage } from './sources.ts';

/** The request of `generate` that every form has. */
export interface Common {
  target: Target;
  kernelArguments: string[];
  version: string;
  pool: PoolRequest;
  folder: string;
}

/** Installs onto a tree like the node's, and writes what brings the result there. Throws `usage` and what an installation throws. */
export async function generateRendered(call: Call, kind: OutputKind, { pool, folder, ...common }: Common): Promise<Reply> {
  const { options, io, words } = call;
  refuseFormRendered(call, kind);
  // A wrong address is refused before minutes of work.
  placeOf(text(options['from']), 'archive');
  const engineConfig = text(options['engine-config']);
  const programFile = await guardProgram(call);
  const image = await imageOf(call, words.slice(1));
  const rendering = {
    target: common.target,
    install: installRequest(call, words.slice(1), image === undefined ? plainBackend : imagingBackend),
    image,
    epoch: epochOf(io.env),
    engineConfig: engineConfig === undefined ? undefined : resolve(io.cwd, engineConfig),
    programFile,
  };
  return await render(call.context, rendering, async ({ archive: { name, digest, file, sizeBytes, unpackedBytes }, ...made }) => {
    const archive = { name, digest, url: placeOf(text(options['from']), name), sizeBytes };
    const files = generate(kind, { ...common, ...made, form: 'rendered', archive, unpackedBytes }, pool);
    stopIfAsked(call.context.signal);
    await writeNew(folder, files);
    await copyNew(folder, { name, file, digest });
    const fetched = image === undefined ? [archive] : [archive, image];
    return reply(kind, common.target.name, folder, [...files.map(asMade), { name, sizeBytes, digest }], fetched);
  });
}

/** The image among the sources, which nodes fetch as it is; undefined where bundles are named. Throws `usage` where the backend is not for it. */
async function imageOf({ options, io, context }: Call, words: string[]): Promise<Source | undefined> {
  const backend = text(options['backend']) ?? 'auto';
  const given = await givenImage({ sources: words.map((word) => resolve(io.cwd, word)) });
  if (given !== undefined && backend === plainBackend)
    throw unfit('--backend prefix with an image', 'no --backend, or the bundle that the image was made of');
  if (given === undefined && backend === imagingBackend)
    throw unfit('--backend sysext with a bundle', 'an image of it: kata-sysext build BUNDLE... -o FILE.raw; then name FILE.raw here');
  if (given === undefined) return undefined;
  const [digest] = list(options['digest']);
  return sourceOf({ word: words[0]!, digest, from: text(options['from']), inside: false, cwd: io.cwd, signal: context.signal });
}

/** What the form *rendered* installs here, onto a tree like the node's. */
function installRequest(call: Call, words: string[], backend: string): InstallRequest {
  const { options, io } = call;
  const engine = engineOf(options['engine']);
  return {
    dryRun: false,
    waitSeconds: 0,
    allow: [],
    engines: engine === undefined ? undefined : [engine],
    sources: words.map((word) => resolve(io.cwd, word)),
    digests: list(options['digest']).map(checkedDigest),
    handlers: list(options['handler']),
    ...namesOfWords(list(options['alias']), list(options['component']), (path) => resolve(io.cwd, path)),
    backend,
    settings: settingsRequestOf(call),
  };
}

function refuseFormRendered({ options }: Call, kind: OutputKind): void {
  if (kind === 'containerfile')
    throw unfit('--form rendered with containerfile', '--form hook or --form baked: an image has program and release inside');
  const useless = ['program-digest', 'format'].find((name) => options[name] !== undefined);
  if (useless !== undefined) throw unfit(`--${useless} with --form rendered`, 'nothing of the kind: what nodes fetch is made here');
  if (![plainBackend, imagingBackend, 'auto', undefined].includes(text(options['backend'])))
    throw unfit(`--backend ${text(options['backend'])}`, '--backend prefix, or an image for --backend sysext');
}

/** The single file whose copy guards the later boots of the nodes. Records name the version that made them: it has to be this one. */
async function guardProgram({ options, io }: Call): Promise<string | undefined> {
  const word = text(options['program']);
  if (word === undefined) return undefined;
  const file = resolve(io.cwd, word);
  await needSingleFile(word, file, { run: true });
  return file;
}

/** The time that records of an archive say: the same bytes at every time (reproducible-builds.org, SOURCE_DATE_EPOCH). */
function epochOf(env: Call['io']['env']): number {
  const seconds = env['SOURCE_DATE_EPOCH'] ?? '0';
  if (/^\d{1,11}$/.test(seconds)) return Number(seconds);
  throw usage('SOURCE_DATE_EPOCH', `SOURCE_DATE_EPOCH=${seconds}`, 'seconds since 1970', 'unset SOURCE_DATE_EPOCH');
}

function unfit(found: string, needed: string): KataError {
  return usage('--form', found, needed);
}
