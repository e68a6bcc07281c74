import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runInProcess } from '../inProcess.ts';

export type Mode = '1-observe' | '2-install' | '3-uninstall';

let count = 0;

/** A folder made by the program itself of values of the chart, as users make it. `folder`: for what is made. */
export async function generated(form: 'manifests' | 'chart', folder: string, values: object): Promise<string> {
  const out = join(folder, String(++count));
  writeFileSync(`${out}.json`, JSON.stringify(values));
  const ran = await runInProcess(['generate', 'kubernetes', '--form', form, '--values', `${out}.json`, '-o', out]);
  if (ran.status !== 0) throw new Error(`generate kubernetes ended with ${ran.status}: ${ran.stderr}`);
  return out;
}

/** The manifest of a mode. */
export async function nodeManifest(folder: string, mode: Mode, values: object): Promise<string> {
  return readFile(join(await generated('manifests', folder, values), `${mode}.yaml`), 'utf8');
}

/** The value of the chart for a name with its digest. */
export function imageOf(name: string): { repository: string; digest: string } {
  const [repository, digest] = name.split('@') as [string, string];
  return { repository, digest };
}
