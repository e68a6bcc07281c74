import { posix } from 'node:path';
import { tomlKey } from '../documents/toml/index.ts';
import type { Displaced, FileChange, WiringPlan } from '../engines/index.ts';
import { renameScopes } from '../facts/index.ts';
import { digestOf, type HostPath, type HostView, type Stat } from '../host/index.ts';
import { etcFolder } from '../store/index.ts';

/** The host as it would be without the other installer's text: planners of engines see this, so that none of them knows of it. */
export function viewWithout(host: HostView, { files }: Displaced): HostView {
  const after = new Map(files.map((file) => [file.path, file.after]));
  const at = async (path: HostPath) => after.get(await host.realpath(path));
  const bytes = async (path: HostPath) => {
    const text = await at(path);
    return text === undefined || text === 'absent' ? text : Buffer.from(text);
  };
  const shaped = async (path: HostPath, stat: Promise<Stat | undefined>) => {
    const now = await bytes(path);
    if (now === 'absent') return undefined;
    const found = await stat;
    return now === undefined || found?.kind !== 'file' ? found : { ...found, sizeBytes: now.length };
  };
  return {
    ...host,
    readFile: async (path, kind) => {
      const now = await bytes(path);
      if (now === 'absent') throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
      return now ?? host.readFile(path, kind);
    },
    readText: async (path, kind) => {
      const now = await bytes(path);
      return now === 'absent' ? undefined : (now?.toString() ?? host.readText(path, kind));
    },
    readHead: async (path, length) => {
      const now = await bytes(path);
      return now === 'absent' ? undefined : (now?.subarray(0, length) ?? host.readHead(path, length));
    },
    digest: async (path) => {
      const now = await bytes(path);
      return now === 'absent' ? undefined : now === undefined ? host.digest(path) : digestOf(now);
    },
    stat: (path) => shaped(path, host.stat(path)),
    lstat: (path) => shaped(path, host.lstat(path)),
    readdir: async (path) => {
      const real = await host.realpath(path);
      return (await host.readdir(path)).filter((name) => after.get(`${real}/${name}`) !== 'absent');
    },
  };
}

/**
 * The wiring that was planned as if the other text were gone, with that text's removal: one change for each file, from what it is now. What
 * is new comes first, so that the engine's files name each handler at all times.
 */
export async function displacing(host: HostView, plan: WiringPlan, { files, keys }: Displaced): Promise<WiringPlan> {
  const now = new Map(files.map((file) => [file.path, file]));
  const own = plan.changes.map((change): FileChange => {
    const file = now.get(change.path);
    return file === undefined ? change : { ...change, before: digestOf(file.text), foreign: true };
  });
  const others: FileChange[] = [];
  for (const { path, text, after } of files.filter((file) => !plan.changes.some((change) => change.path === file.path)))
    others.push({
      path,
      before: digestOf(text),
      after: after === 'absent' ? 'absent' : { text: after },
      foreign: true,
      ours: [],
      tmpDir: await besideIt(host, path),
    });
  const changes = [...own, ...others];
  return {
    ...plan,
    changes: [...changes.filter(({ after }) => after !== 'absent'), ...changes.filter(({ after }) => after === 'absent')],
    displaced: keys.map((path) => path.map(tomlKey).join('.')),
  };
}

/** On the same mount, and not where engines read every file. */
async function besideIt(host: HostView, path: HostPath): Promise<HostPath> {
  const parent = posix.dirname(path);
  const above = posix.dirname(parent);
  // A folder that is not there can be made below /etc alone, by the change itself.
  const folders = [etcFolder, ...((await host.stat(above)) === undefined ? [] : [above])];
  const [own, ...scopes] = await renameScopes(host, [parent, ...folders]);
  return folders.find((_, index) => scopes[index] === own) ?? parent;
}
