import { contextsOf, isContext, pieces } from './contexts.ts';
import { offlineContexts } from './relabel.ts';
import type { FileLabel, HostPath, HostView, Stat } from './types.ts';

/** What matchpathcon calls the kinds of files: rules of a policy can be for one kind only. */
const kinds: Partial<Record<Stat['kind'], string>> = { file: 'file', directory: 'dir', symlink: 'lnk_file' };

/** `HostView.labelsOf`: a process for a thousand paths that reads their labels, and one for each kind of file that asks the file contexts. */
export async function labelsOf(view: HostView, paths: HostPath[]): Promise<Map<HostPath, FileLabel> | undefined> {
  // Layers of an image carry no labels: the deployment of the image makes them.
  if (view.image) return undefined;
  const contexts = view.booted ? undefined : await offlineContexts(view);
  const asked = view.booted ? (await view.lstat('/sys/fs/selinux/enforce')) !== undefined : contexts !== undefined;
  if (!asked) return undefined;
  const there: Place[] = [];
  for (const path of new Set(paths)) {
    const kind = (await view.lstat(path))?.kind;
    if (kind !== undefined) there.push({ path, kind, resolved: await view.resolve(path) });
  }
  const found = await contextsOf(
    view,
    there.map(({ path }) => path),
  );
  const stock = await labelsWanted(view, there, contexts?.real);
  return new Map(
    there.map(({ path, resolved }) => {
      const [label, wanted] = [found.get(path), stock.get(resolved)];
      return [path, { found: label, stock: wanted }];
    }),
  );
}

interface Place {
  path: HostPath;
  kind: Stat['kind'];
  /** Parents' links followed, as restorecon does before it asks the rules. */
  resolved: HostPath;
}

/** By path of the host. The program answers from files, so it serves a tree whose policy the kernel does not know. */
async function labelsWanted(view: HostView, places: Place[], contexts: string | undefined): Promise<Map<HostPath, string>> {
  const labels = new Map<HostPath, string>();
  for (const [kind, name] of Object.entries(kinds)) {
    const paths = places.filter((place) => place.kind === kind).map(({ resolved }) => resolved);
    for (const some of pieces(paths)) {
      // Without -N a translation daemon would give ranges other names.
      const args = ['-N', '-m', name, ...(contexts === undefined ? [] : ['-f', contexts]), ...some];
      const { stdout } = await view.run('matchpathcon', args, { accept: [0, 1] });
      for (const [, path, label] of stdout.matchAll(/^(.*)\t(\S+)$/gm)) if (isContext(label!)) labels.set(path!, label!);
    }
  }
  return labels;
}
