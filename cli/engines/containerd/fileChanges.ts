import { digestOf } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { FileChange } from '../types.ts';
import { checkEditable, temporaryFolder } from './editable.ts';
import { filesView, type Overlay } from './filesView.ts';
import type { Piece } from './pieces.ts';
import type { SeenMark } from './seen.ts';

/**
 * One change for every file that will differ. Drop-ins come before the import that names them, and go after it. Throws
 * engine-unsupported for files that must not be replaced.
 */
export async function changesBetween(
  host: HostView,
  seen: readonly SeenMark[],
  pieces: readonly Piece[],
  after: Overlay,
  patterns: readonly string[],
): Promise<FileChange[]> {
  const view = filesView(host);
  const changes: FileChange[] = [];
  for (const [path, text] of after) {
    const now = (await view.read(path))?.text;
    if (now === (text === 'absent' ? undefined : text)) continue;
    await checkEditable(host, path);
    changes.push({
      path,
      before: now === undefined ? 'absent' : digestOf(now),
      after: text === 'absent' ? 'absent' : { text },
      foreign: [...pieces, ...seen].some(({ mark }) => mark.path === path && mark.kind === 'range'),
      ours: oursIn(path, seen, pieces),
      tmpDir: await temporaryFolder(host, path, patterns),
    });
  }
  return changes.sort((a, b) => rank(a) - rank(b));
}

function oursIn(path: HostPath, seen: readonly SeenMark[], pieces: readonly Piece[]): string[] {
  const now = pieces.filter((piece) => piece.mark.path === path).map((piece) => piece.mark.text);
  const old = seen.filter((one) => one.mark.path === path && one.state === 'intact').map((one) => one.mark.text);
  return [...new Set([...now, ...old])];
}

function rank(change: FileChange): number {
  if (change.after === 'absent') return 2;
  return change.foreign ? 1 : 0;
}
