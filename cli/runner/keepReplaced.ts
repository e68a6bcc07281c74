import { digestOf, type Host } from '../host/index.ts';
import type { Layer } from '../planning/choices/types.ts';
import type { Switch } from '../preflight/switch.ts';
import { type Replaced, replacedFolder } from '../store/index.ts';
import type { FileStep } from '../transaction/index.ts';

/** Keeps copies of the files that a generation is about to replace, and returns which they are. */
export async function keepReplaced(
  host: Host,
  number: number,
  { foreignWiring, shim, name }: Layer,
  { steps }: Pick<Switch, 'steps'>,
): Promise<Replaced> {
  const folder = replacedFolder(number);
  await host.mkdir(folder, 0o700);
  const files: Replaced['files'] = [];
  for (const path of new Set(foreignWiring.marks.map((mark) => mark.path))) {
    const bytes = await host.readFile(path);
    await host.writeFile(`${folder}/${files.length}`, bytes, { mode: 0o600 });
    const step = steps.find((each): each is FileStep => each.kind === 'file' && each.path === path);
    const { mode } = (await host.stat(path))!;
    files.push({ path, digest: digestOf(bytes), mode, after: step?.after ?? digestOf(bytes) });
  }
  await host.failpoint('store/replaced');
  return { package: name, shim, handlers: foreignWiring.handlers, files };
}
