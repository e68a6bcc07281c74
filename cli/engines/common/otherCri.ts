import { posix } from 'node:path';
import { flagOf } from '../../facts/processes.ts';
import { readSmall } from '../../facts/smallFile.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import type { Rendering } from '../types.ts';
import { environmentOf } from './unitEnvironment.ts';
import { serviceValues, startOfUnit, unitTexts } from './unitFiles.ts';
import { expandWords, wordsOf } from './unitWords.ts';

const maxFiles = 100;

/** Told to use an engine of the host, it starts none and writes no configuration. */
export async function usesOtherCri(host: HostView, renders: Rendering, more: readonly Unit[] = []): Promise<boolean> {
  const { external, units } = renders;
  if (external === undefined) return false;
  const named: HostPath[] = [];
  for (const unit of new Set([...units, ...more])) {
    if (external.words.test((await startOfUnit(host, unit)) ?? '')) return true;
    named.push(...(await namedBy(host, renders, unit)));
  }
  const texts =
    named.length > 0
      ? await yamlTexts(
          host,
          named,
          named.map((path) => `${path}.d`),
        )
      : await yamlTexts(host, external.files, external.folders);
  return texts.some((text) => external.words.test(text));
}

/** The file that a unit names in place of the usual one. The words of a shell are another program's. */
async function namedBy(host: HostView, { external, program }: Rendering, unit: Unit): Promise<HostPath[]> {
  if (external?.named === undefined) return [];
  const texts = await unitTexts(host, unit);
  const environment = await environmentOf(host, unit, texts);
  const [first = '', ...words] = expandWords(wordsOf(serviceValues(texts, 'ExecStart').at(-1) ?? ''), environment);
  const isOwn = program?.test(posix.basename(first)) === true;
  const path = environment.get(external.named.variable) || (isOwn ? flagOf(words, external.named.options) : undefined);
  return path?.startsWith('/') === true ? [posix.normalize(path)] : [];
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
