import { posix } from 'node:path';
import { digestOf } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { isDropIn } from '../../systemd/dropIns.ts';
import { checkEditable, temporaryFolder } from '../common/editable.ts';
import { filesView, type Overlay } from '../common/filesView.ts';
import type { SeenMark } from '../common/seen.ts';
import type { FileChange } from '../types.ts';
import { ownBlock, type Piece } from './edits.ts';
import { matchesName, patternFolder } from './globs.ts';
import { rootFile } from './rootFile.ts';

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
    await checkEditable(host, path, text === 'absent' || seen.some(({ mark, state }) => mark.path === path && state === 'intact'));
    changes.push({
      path,
      before: now === undefined ? 'absent' : digestOf(now),
      after: text === 'absent' ? 'absent' : { text },
      foreign: [...pieces, ...seen].some(({ mark }) => mark.path === path && mark.kind === 'range'),
      ours: oursIn(path, seen, pieces),
      tmpDir: (await temporaryFolder(host, path, (folder) => isGlobbed(folder, patterns))) ?? posix.dirname(path),
    });
  }
  return inOrder(changes);
}

/** The drop-in that names a root file comes last and goes first; the files that it named go only after the restart of the daemon. */
function inOrder(changes: FileChange[]): FileChange[] {
  const rooted = changes.some(({ path }) => path === rootFile);
  const setting = rooted ? changes.find(({ path }) => isDropIn(path)) : undefined;
  const ranked = changes.sort((a, b) => rank(a, setting) - rank(b, setting));
  if (setting?.after !== 'absent') return ranked;
  return ranked.map((change) => (change !== setting && change.after === 'absent' ? { ...change, settles: 'last' } : change));
}

/** True where the daemon would load kata-sysext's temporary file as configuration. */
function isGlobbed(folder: HostPath, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const at = patternFolder(pattern);
    return at === undefined || (at === folder && matchesName(posix.basename(pattern), '.kata-sysext.tmp'));
  });
}

function oursIn(path: HostPath, seen: readonly SeenMark[], pieces: readonly Piece[]): string[] {
  const now = pieces.filter((piece) => piece.mark.path === path).flatMap(({ mark }) => [ownBlock(mark), ...(mark.or ?? [])]);
  const old = seen
    .filter((one) => one.mark.path === path && one.state === 'intact')
    .flatMap(({ mark }) => [ownBlock(mark), ...(mark.or ?? [])]);
  return [...new Set([...now, ...old])];
}

function rank(change: FileChange, setting: FileChange | undefined): number {
  if (change === setting) return change.after === 'absent' ? -1 : 3;
  if (change.after === 'absent') return 2;
  return change.foreign ? 1 : 0;
}
