import { KataError, pathWord } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { activeNumber, etcFolder, folderOf, type GenerationManifest, pointer, readFolders } from '../store/index.ts';
import type { Step } from './stepKinds.ts';

/** The one truth of what is active, the same for every backend. */
export async function pointerSteps(host: HostView, to: GenerationManifest | undefined): Promise<Step[]> {
  const before = (await host.readlink(pointer)) ?? 'absent';
  await refuseForeignPointer(host);
  const after = to === undefined ? 'absent' : folderOf(to);
  const switched: Step[] = before === after ? [] : [{ kind: 'pointer', path: pointer, before, after }];
  // The folder is removed even if the pointer was removed by hand.
  if (to === undefined) return [...switched, ...(await dropMade(host, etcFolder))];
  return switched.length === 0 ? [] : [...(await makeMissing(host, etcFolder)), ...switched];
}

/** A step for the folder and each parent that is missing, parents first. */
export async function makeMissing(host: HostView, path: string): Promise<Step[]> {
  if (path === '' || (await host.lstat(path)) !== undefined) return [];
  return [...(await makeMissing(host, path.slice(0, path.lastIndexOf('/')))), { kind: 'folder', path, mode: 0o755 }];
}

/** Removes the folder and its parents, children first, as far as kata-sysext made them. */
export async function dropMade(host: HostView, path: string): Promise<Step[]> {
  const { made } = await readFolders(host);
  if (!made.includes(path)) return [];
  const there = (await host.lstat(path)) !== undefined;
  return [
    ...(there ? [{ kind: 'drop-folder', path } satisfies Step] : []),
    ...(await dropMade(host, path.slice(0, path.lastIndexOf('/')))),
  ];
}

async function refuseForeignPointer(host: HostView): Promise<void> {
  if ((await host.lstat(pointer)) === undefined || (await activeNumber(host)) !== undefined) return;
  throw new KataError('foreign-file', {
    subject: pointer,
    found: `${pointer} is not a link to a generation of kata-sysext`,
    needed: `${pointer} absent, or a link to a generation of kata-sysext`,
    next: `move it away: mv ${pathWord(host, pointer)} ${pathWord(host, `${pointer}.old`)}`,
  });
}
