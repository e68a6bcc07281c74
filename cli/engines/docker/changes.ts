import { posix } from 'node:path';
import { addMembers, newObject, readJsonText } from '../../documents/jsonFile/index.ts';
import { digestOf } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { checkEditable, temporaryFolder } from '../common/editable.ts';
import type { FileChange, Instance, Mark } from '../types.ts';
import { runtimesIn, runtimesKey } from './runtimes.ts';
import type { SeenFile } from './seen.ts';

type State = string | 'absent';

/**
 * From the files as they are to the planned ones. A reload applies keys that are there and no others (moby, daemon/reload_unix.go): a daemon
 * that runs forgets its handlers by an empty `runtimes` and not by a missing one. So a key that comes or goes does so in two steps, with the
 * empty one in between, and the bytes without it are never what a reload reads while there are handlers to forget.
 */
export async function changesOf(
  host: HostView,
  { process }: Instance,
  seen: readonly SeenFile[],
  after: ReadonlyMap<HostPath, State>,
  mark?: Mark,
): Promise<FileChange[]> {
  const changes: FileChange[] = [];
  for (const file of seen) {
    const [now, next] = [file.now ?? 'absent', after.get(file.path)!];
    if (now === next) continue;
    const old = file.marks.filter(({ state }) => state === 'intact').map((each) => each.mark.text);
    await checkEditable(host, file.path, next === 'absent' || old.length > 0);
    const tmpDir = (await temporaryFolder(host, file.path, () => false)) ?? posix.dirname(file.path);
    const comes = mark?.path === file.path ? [mark.text] : [];
    const [has, shall] = [hasKey(now, file.path), hasKey(next, file.path)];
    const twice = process !== undefined && has !== shall;
    // Of two changes the first finds, at an undo that was interrupted, another text than its own.
    const foreign = twice || !(now === 'absent' || next === 'absent') || file.marks.some((each) => each.mark.kind === 'range');
    const change = { path: file.path, foreign, tmpDir };
    const step = (from: State, to: State, ours: string[], settles?: FileChange['settles']): FileChange => ({
      ...change,
      before: from === 'absent' ? 'absent' : digestOf(from),
      after: to === 'absent' ? 'absent' : { text: to },
      ours: [...new Set(ours)],
      settles,
    });
    if (!twice) changes.push(step(now, next, [...comes, ...old]));
    else if (shall) {
      const { text, inserted } = withEmpty(now, file.path);
      changes.push(step(now, text, [inserted], 'first'), step(text, next, [...comes, inserted]));
    } else {
      const { text, inserted } = withEmpty(next, file.path);
      changes.push(step(now, text, [inserted, ...old]), step(text, next, [inserted], 'last'));
    }
  }
  return changes;
}

/** What is no JSON has it, as far as a reload goes: the daemon does not take such a file at all. */
function hasKey(text: State, path: HostPath): boolean {
  if (text === 'absent') return false;
  try {
    return runtimesIn(readJsonText(text, path)) !== undefined;
  } catch {
    return true;
  }
}

function withEmpty(text: State, path: HostPath): { text: string; inserted: string } {
  const root = text === 'absent' ? undefined : readJsonText(text, path);
  if (root !== undefined) return addMembers(text, root, [[runtimesKey, {}]]);
  const inserted = newObject([[runtimesKey, {}]]);
  return { text: text === 'absent' ? inserted : text + inserted, inserted };
}
