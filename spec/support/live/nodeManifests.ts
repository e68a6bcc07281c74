import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runInProcess } from '../inProcess.ts';

export type Mode = '1-observe' | '2-install' | '3-uninstall';

let manifests = 0;

/** The manifest of a mode for values of the chart: by the program itself, as users make it. `folder`: for the files in between. */
export async function nodeManifest(folder: string, mode: Mode, values: object): Promise<string> {
  const out = join(folder, String(++manifests));
  writeFileSync(`${out}.json`, JSON.stringify(values));
  const ran = await runInProcess(['generate', 'kubernetes', '--form', 'manifests', '--values', `${out}.json`, '-o', out]);
  if (ran.status !== 0) throw new Error(`generate kubernetes ended with ${ran.status}: ${ran.stderr}`);
  return readFile(join(out, `${mode}.yaml`), 'utf8');
}

/** The value of the chart for a name with its digest. */
export function imageOf(name: string): { repository: string; digest: string } {
  const [repository, digest] = name.split('@') as [string, string];
  return { repository, digest };
}
