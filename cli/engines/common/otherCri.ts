import { readSmall } from '../../facts/smallFile.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import type { Rendering } from '../types.ts';
import { startOfUnit } from './unitFiles.ts';

const maxFiles = 100;

/** Told to use an engine of the host, it starts none and writes no configuration. */
export async function usesOtherCri(host: HostView, { external, units }: Rendering, more: readonly Unit[] = []): Promise<boolean> {
  if (external === undefined) return false;
  for (const unit of new Set([...units, ...more])) if (external.words.test((await startOfUnit(host, unit)) ?? '')) return true;
  const texts = await yamlTexts(host, external.files, external.folders);
  return texts.some((text) => external.words.test(text));
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
