import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Mark } from '../engines/index.ts';
import type { Against, Edit } from '../generate/index.ts';
import { digestOf } from '../host/index.ts';
import type { EngineTree } from './engine.ts';

/**
 * In the archive: kata-sysext's texts that go into files of the node's own. The rest of such a file may be secret, and never leaves the
 * node.
 */
export const partsFolder = '/parts';

/**
 * What the node's engine has to be configured like, after an installation on `root`; writes kata-sysext's texts to {@link partsFolder}
 * there.
 */
export async function againstOf(
  root: string,
  { title, config, imports, version }: EngineTree,
  marks: readonly Mark[],
): Promise<Against | undefined> {
  if (config === undefined) return undefined;
  const edits: Edit[] = [];
  for (const [index, { path, text }] of marks.filter(({ kind }) => kind === 'range').entries()) {
    const inserted = Buffer.from(text);
    const [before, after] = [config.bytes, await readFile(join(root, path))];
    const at = after.indexOf(inserted);
    // The node joins the same three pieces: nothing else may differ.
    if (path !== config.path || at < 0 || !Buffer.concat([before.subarray(0, at), inserted, before.subarray(at)]).equals(after))
      throw new Error(`${path} is not the node’s own file with one text of kata-sysext in it`);
    const part = `${partsFolder}/${index}`;
    await mkdir(dirname(join(root, part)), { recursive: true });
    await writeFile(join(root, part), inserted);
    edits.push({ path, digest: digestOf(after), at, part: part.slice(1) });
  }
  const own = marks.flatMap(({ kind, path }) => (kind === 'file' ? [path] : []));
  // 2.x unites files by other rules than 1.x, and a shim is named otherwise in 1.6.
  const begin = /^v?(?<all>(?:[2-9]|1\.\d+|1)(?=\.|$))/.exec(version ?? '')?.groups?.['all'];
  return {
    title,
    variable: config.variable,
    config: config.path,
    digest: digestOf(config.bytes),
    imports,
    own,
    version: begin,
    edits,
  };
}
