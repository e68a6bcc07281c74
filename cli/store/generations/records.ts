import { KataError } from '../../errors/index.ts';
import type { Digest, Host, HostPath, HostView } from '../../host/index.ts';
import { damaged, readable, readJson, writeJson } from '../json.ts';
import {
  generationFolder,
  generationsFolder,
  imageManifest,
  imageNumber,
  imageRecords,
  numberAt,
  payloadManifest,
  pointer,
  sequenceFile,
} from '../paths.ts';
import {
  type Generation,
  type GenerationManifest,
  type GenerationRecord,
  generationManifestShape,
  generationRecordShape,
  type PayloadManifest,
  payloadManifestShape,
  schema,
  type Tries,
} from '../types.ts';

/** All whole generations of this host by number, that of its OS image included. */
export async function readGenerations(host: HostView): Promise<Generation[]> {
  const own = (await host.readdir(generationsFolder)).filter((name) => /^[1-9]\d{0,8}$/.test(name)).map(Number);
  const numbers = [imageNumber, ...own];
  const found = await Promise.all(numbers.sort((a, b) => a - b).map((number) => findGeneration(host, number)));
  return found.filter((generation) => generation !== undefined);
}

/** The manifests of all whose payload is in this host's own store, also of those that have lost their record. */
export async function readManifests(host: HostView): Promise<GenerationManifest[]> {
  const own = (await host.readdir(generationsFolder)).filter((name) => /^[1-9]\d{0,8}$/.test(name)).map(Number);
  const numbers = host.image ? [imageNumber, ...own] : own;
  const found = await Promise.all(numbers.map((number) => readManifest(host, `${generationFolder(number)}/manifest.json`, number)));
  return found.filter((manifest) => manifest !== undefined);
}

export async function findGeneration(host: HostView, number: number): Promise<Generation | undefined> {
  const folder = generationFolder(number);
  const manifest = await readManifest(host, `${folder}/manifest.json`, number);
  const said = number === imageNumber ? await readImageRecord(host) : undefined;
  const record = said ?? (await readJson(host, `${folder}/record.json`, generationRecordShape));
  return manifest === undefined || record === undefined ? undefined : { manifest, record };
}

export async function readManifest(host: HostView, path: HostPath, number: number): Promise<GenerationManifest | undefined> {
  const manifest = await readJson(host, path, generationManifestShape);
  if (manifest !== undefined && manifest.number !== number)
    throw damaged(path, `number is ${manifest.number}, which does not match its folder`);
  return manifest;
}

/** As findGeneration, but a number that does not exist is the user's error. */
export async function readGeneration(host: HostView, number: number): Promise<Generation> {
  const generation = await findGeneration(host, number);
  if (generation !== undefined) return generation;
  const known = (await readGenerations(host)).map((each) => each.manifest.number);
  throw new KataError('unknown-generation', {
    subject: String(number),
    found: `there is no generation ${number} on this host`,
    needed: known.length === 0 ? 'an installed generation' : `one of ${known.join(', ')}`,
    next: 'kata-sysext status -v',
  });
}

/** The number that /etc/kata-sysext/current points at: the truth of what is active. */
export async function activeNumber(host: HostView): Promise<number | undefined> {
  return numberAt(await host.readlink(pointer));
}

/** What a record keeps of the wiring of one deployment; nothing where there is only one /etc. */
export function wiringsWith(record: Omit<GenerationRecord, 'schema'>, deployment: string): Pick<GenerationRecord, 'wirings'> {
  if (['single', 'offline'].includes(deployment)) return {};
  const { wiring, edited } = record;
  return { wirings: { ...record.wirings, [deployment]: { ...(wiring && { wiring }), ...(edited && { edited }) } } };
}

/** The payload of a generation: that of an image lies in the image, whatever else of these bytes the host has. */
export function payloadOf(
  host: HostView,
  { number, payload }: Pick<GenerationManifest, 'number' | 'payload'>,
): Promise<PayloadManifest | undefined> {
  if (number !== imageNumber || host.image) return readPayload(host, payload);
  return readPayloadAt(host, imageManifest(payload), payload);
}

/** Of this host's own store. */
export async function readPayload(host: HostView, digest: Digest): Promise<PayloadManifest | undefined> {
  return readPayloadAt(host, payloadManifest(digest), digest);
}

async function readPayloadAt(host: HostView, path: HostPath, digest: Digest): Promise<PayloadManifest | undefined> {
  const manifest = await readJson(host, path, payloadManifestShape);
  if (manifest !== undefined && manifest.digest !== digest)
    throw damaged(path, `digest is ${manifest.digest}, which does not match its folder`);
  return manifest;
}

/** Reserves the next generation number: numbers are never used twice, not even after a failure. */
export async function takeNumber(host: Host): Promise<number> {
  const last = await lastNumber(host);
  await host.writeFile(sequenceFile, `${last + 1}\n`, { mode: 0o600 });
  return last + 1;
}

/** The highest number ever given on this host, 0 when none. */
export async function lastNumber(host: HostView): Promise<number> {
  const said = await host.readText(sequenceFile);
  if (said !== undefined && !/^\d{1,9}\n?$/.test(said)) throw damaged(sequenceFile, 'it is no number of at most 9 digits');
  const seen = (await host.readdir(generationsFolder)).filter((name) => /^[1-9]\d{0,8}$/.test(name)).map(Number);
  return Math.max(Number(said ?? 0), ...seen, 0);
}

export async function writeRecord(host: Host, number: number, record: Omit<GenerationRecord, 'schema'>): Promise<void> {
  const path = number === imageNumber && !host.image ? await imageRecord(host) : `${generationFolder(number)}/record.json`;
  if (path.startsWith(`${imageRecords}/`) && (await host.lstat(imageRecords)) === undefined) await host.mkdir(imageRecords, 0o755);
  await writeJson(host, path, generationRecordShape, { schema, ...record }, readable);
}

/** On a booted host an image cannot be written to, and the next one may carry another generation: each has its own record below /var. */
async function imageRecord(host: HostView): Promise<HostPath> {
  const digest = await host.digest(`${generationFolder(imageNumber)}/manifest.json`);
  return `${imageRecords}/${(digest ?? 'sha256:none').slice('sha256:'.length)}.json`;
}

/** Whether the generation of the image that is booted was active on this host before, or rolled back. */
export async function isKnownImage(host: HostView): Promise<boolean> {
  return (await host.lstat(await imageRecord(host))) !== undefined;
}

/** Records of the generations that other images brought, the one that was activated last first. */
export async function earlierImageRecords(host: HostView): Promise<GenerationRecord[]> {
  const own = await imageRecord(host);
  const paths = (await host.readdir(imageRecords))
    .map((name) => `${imageRecords}/${name}`)
    .filter((path) => path.endsWith('.json') && path !== own);
  const all = await Promise.all(paths.map((path) => readJson(host, path, generationRecordShape)));
  return all
    .filter((record) => record !== undefined)
    .sort((a, b) => (b.blessed?.at ?? b.activated ?? '').localeCompare(a.blessed?.at ?? a.activated ?? ''));
}

async function readImageRecord(host: HostView): Promise<GenerationRecord | undefined> {
  return host.image ? undefined : readJson(host, await imageRecord(host), generationRecordShape);
}

/** Made by `install --stage` and not activated yet. Installed offline it is 'staged' too, but has been switched to. */
export function isWaiting({ record }: Generation): boolean {
  return record.state === 'staged' && record.activated === undefined;
}

/** Of one deployment, since the generation was activated last. */
export function triesIn(record: GenerationRecord, deployment: string): Tries | undefined {
  return record.tries?.find((each) => each.deployment === deployment && each.since === (record.activated ?? ''));
}

/** The record with these tries of their deployment, or without any of it; what was counted before the last activation says nothing any more. */
export function withTries(record: GenerationRecord, deployment: string, own?: Tries): GenerationRecord {
  const { tries: known = [], ...rest } = record;
  const others = known.filter((each) => each.deployment !== deployment && each.since === (record.activated ?? ''));
  const tries = [...others, ...(own === undefined ? [] : [own])];
  return tries.length === 0 ? rest : { ...rest, tries };
}
