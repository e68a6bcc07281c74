import { posix } from 'node:path';
import { flagOf } from '../../facts/processes.ts';
import { readSmall } from '../../facts/smallFile.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import type { Rendering } from '../contract.ts';
import { environmentOf } from './unitEnvironment.ts';
import { serviceValues, startOfUnit, unitTexts } from './unitFiles.ts';
import { expandWords, wordsOf } from './unitWords.ts';

const maxFiles = 100;

/** Told to use an engine of the host, it starts none and writes no configuration. */
export async function usesOtherCri(host: HostView, renders: Rendering, more: readonly Unit[] = []): Promise<boolean> {
  const { external, units } = renders;
  if (external === undefined) return false;
  const named: HostPath[] = [];
  let usual = false;
  for (const unit of new Set([...units, ...more])) {
    const start = await startOfUnit(host, unit);
    if (external.words.test(start ?? '')) return true;
    const path = await namedBy(host, renders, unit);
    if (path !== undefined) named.push(path);
    // The usual file is read by each unit that names none; where there is no unit, by one that is to come.
    usual ||= start !== undefined && path === undefined;
  }
  if (named.length === 0) usual = true;
  const folders = named.map((path) => `${path}.d`);
  const texts = [...(await yamlTexts(host, named, folders)), ...(usual ? await yamlTexts(host, external.files, external.folders) : [])];
  return texts.some((text) => external.words.test(text));
}

/** The file that a unit names in place of the usual one. The words of a shell are another program's. */
async function namedBy(host: HostView, { external, program }: Rendering, unit: Unit): Promise<HostPath | undefined> {
  if (external?.named === undefined) return undefined;
  const texts = await unitTexts(host, unit);
  const { values } = await environmentOf(host, unit, texts);
  const [first = '', ...words] = expandWords(wordsOf(serviceValues(texts, 'ExecStart').at(-1) ?? ''), values);
  const isOwn = program?.test(posix.basename(first)) === true;
  const path = values.get(external.named.variable) || (isOwn ? flagOf(words, external.named.options) : undefined);
  return path?.startsWith('/') === true ? posix.normalize(path) : undefined;
}

/** The texts of these files, and of the YAML files of these folders; what is not there or unfit is left out. */
async function yamlTexts(host: HostView, files: readonly HostPath[], folders: readonly HostPath[]): Promise<string[]> {
  const paths = [...files];
  for (const folder of folders) {
    const names = (await host.readdir(folder)).filter((name) => /\.ya?ml$/.test(name));
    paths.push(...names.slice(0, maxFiles).map((name) => `${folder}/${name}`));
  }
  const texts: string[] = [];
  for (const path of paths) {
    const read = await readSmall(host, path);
    if (read.kind === 'text') texts.push(read.text);
  }
  return texts;
}
