import { digestOf, type Host, type HostPath } from '../../host/index.ts';
import { ensureFolder } from '../folders.ts';
import { readable, writeJson } from '../json.ts';
import { folderOf, fragmentsFolder, generationFolder, generationsFolder, imageNumber, readableFolder } from '../paths.ts';
import {
  type Choices,
  type GenerationHandler,
  type GenerationManifest,
  generationManifestShape,
  type PayloadManifest,
  schema,
} from '../types.ts';
import { takeNumber, writeRecord } from './records.ts';

/** Kata's archives are made for this prefix; its configuration names it in every path (docs/facts/kata.md#archives). */
const releasePrefix = '/opt/kata';

/** What a generation is made of: a payload that was just laid out, or what another generation has. */
export interface Origin extends Pick<GenerationManifest, 'release' | 'sources' | 'sourcePaths' | 'payload' | 'payloadFolder' | 'format'> {
  handlers: Omit<GenerationHandler, 'configurationDigest'>[];
}

/** `sourcePaths`: see the generation's manifest. */
export function originOf(payload: PayloadManifest, sourcePaths?: string[]): Origin {
  const digests = new Map(payload.entries.map((entry) => [entry.path, entry.digest]));
  return {
    release: payload.release,
    sources: payload.sources,
    sourcePaths,
    payload: payload.digest,
    payloadFolder: payload.folder,
    format: payload.image?.format ?? 'directory',
    handlers: payload.handlers.map(({ name, release, family, hypervisor, shim, configuration, protocol, own }) => ({
      name,
      release,
      family,
      hypervisor,
      shim,
      configuration,
      protocol,
      shimDigest: digests.get(shim)!,
      own,
    })),
  };
}

export interface GenerationRequest {
  origin: Origin;
  choices: Choices;
  /** Where the payload's files are on the host: what the rendered configuration names. */
  home: HostPath;
  backend: string;
  program: string;
  number: number;
  created: string;
  /** Real text of a file of the payload, wherever it is at the moment. */
  readText(path: string): Promise<string>;
}

export interface Drawn {
  manifest: GenerationManifest;
  /** Rendered texts by handler. */
  configurations: Map<string, string>;
  /** The same as the release has it: without what was chosen, and without files of the user. */
  plain: Map<string, string>;
}

/** The generation that this origin and these choices would make. Writes nothing. Throws `bundle-lacks-setting`. */
export async function drawGeneration(request: GenerationRequest): Promise<Drawn> {
  const [{ renderConfiguration }, { configured }] = await Promise.all([
    import('../../layout/index.ts'),
    import('../../layout/settings/index.ts'),
  ]);
  const { origin, choices, backend, number, program, created } = request;
  const { release, sources, sourcePaths, payload, payloadFolder, format } = origin;
  const configurations = new Map<string, string>();
  const plain = new Map<string, string>();
  const handlers: GenerationHandler[] = [];
  const rendered = async (path: string, hypervisor: string) =>
    renderConfiguration(await request.readText(path), { from: releasePrefix, to: request.home, hypervisor });
  for (const handler of origin.handlers) {
    const { name, family, hypervisor, configuration, own } = handler;
    const moved = await rendered(configuration, hypervisor);
    const base = origin.handlers.find((each) => each.name === own?.base);
    const chosen = { profiles: choices.profiles[name] ?? [], settings: choices.settings[name] ?? {} };
    const text = configured(moved, { name, family, hypervisor }, chosen);
    plain.set(name, base === undefined ? moved : await rendered(base.configuration, base.hypervisor));
    configurations.set(name, text);
    handlers.push({ ...handler, configurationDigest: digestOf(text) });
  }
  const folder = readableFolder(payloadFolder, number);
  const manifest: GenerationManifest = {
    schema,
    number,
    created,
    program,
    release,
    sources,
    sourcePaths,
    payload,
    payloadFolder,
    folder: folder === generationFolder(number) ? undefined : folder,
    backend,
    format,
    handlers,
    choices,
  };
  return { manifest, configurations, plain };
}

export function linksOf(manifest: GenerationManifest): [path: HostPath, target: string][] {
  const folder = folderOf(manifest);
  // Beside the configuration both runtimes look for config.d; it may dangle, and the fragments in it are the administrator's.
  const fragments = manifest.handlers.map(({ name }): [string, string] => [
    `${folder}/config/${name}/config.d`,
    `${fragmentsFolder}/${name}.d`,
  ]);
  return [...fragments, [`${folder}/payload`, manifest.payloadFolder]];
}

/** Writes a drawn generation in state 'preparing': until a change commits it, the clean-up would remove it. */
export async function makeGeneration(host: Host, manifest: GenerationManifest, configurations: Map<string, string>): Promise<void> {
  const number = manifest.number === imageNumber ? imageNumber : await takeNumber(host);
  if (number !== manifest.number) throw new Error(`generation ${manifest.number} was drawn, but ${number} is next`);
  const [folder, records] = [folderOf(manifest), generationFolder(number)];
  if ((await host.lstat(generationsFolder)) === undefined) await host.mkdir(generationsFolder, 0o755);
  await host.failpoint('store/generation/before');
  for (const path of new Set([records, folder])) {
    await ensureFolder(host, path.slice(0, path.lastIndexOf('/')));
    await host.removeTree(path);
    await host.mkdir(path, 0o755);
  }
  await host.mkdir(`${folder}/config`, 0o755);
  for (const [name, text] of configurations) {
    await host.mkdir(`${folder}/config/${name}`, 0o755);
    await host.writeFile(`${folder}/config/${name}/configuration.toml`, text, { mode: 0o644 });
  }
  for (const [path, target] of linksOf(manifest)) await host.symlink(path, target);
  // The record first: a manifest without one has lost it, and is no rubbish of a change that was interrupted.
  await writeRecord(host, number, { state: 'preparing' });
  await writeJson(host, `${records}/manifest.json`, generationManifestShape, manifest, readable);
  await host.relabel([generationsFolder, folder]);
  await host.failpoint('store/generation/after');
}
