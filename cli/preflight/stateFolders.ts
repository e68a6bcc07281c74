import { type Finding, pathWord } from '../errors/index.ts';
import type { HostPath, HostView, Stat } from '../host/index.ts';
import { etcFolder, imageRoot, payloadRoot, stateFolder } from '../store/index.ts';

/** Folders that kata-sysext makes in the first level of its own; the value says how many levels below them are looked at. */
const levels = new Map([
  ['journal', 1],
  ['generations', 4],
  ['history', 1],
  ['payloads', 1],
  ['programs', 1],
  ['catalogues', 1],
  ['image', 1],
  // What is in a payload is checked by its digests.
  ['tree', 1],
  ['bin', 2],
  // Whose signatures count.
  ['trust.d', 1],
]);

/** Copies of others' files, which keep the owners and modes that these had. */
const copies = /^(?:undo-.*|replaced)$/;
/** More says nothing new. */
const maxFindings = 5;

/**
 * Files and folders that kata-sysext believes: its state, its pointer, its payloads. One that another user owns, or may write to, could have
 * been filled by that user. Who runs the program is trusted, and root always.
 */
export async function stateFindings(host: HostView): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const top of new Set([stateFolder, etcFolder, payloadRoot(true), imageRoot])) {
    const stat = await host.stat(top);
    if (stat === undefined) continue;
    check(host, top, stat, 'directory', found);
    if (stat.kind !== 'directory') continue;
    for (const name of await host.readdir(top)) {
      const below = levels.get(name);
      await walk(host, `${top}/${name}`, below ?? 0, below === undefined ? undefined : 'directory', found);
    }
  }
  return found.slice(0, maxFindings);
}

async function walk(host: HostView, path: HostPath, below: number, kind: Stat['kind'] | undefined, found: Finding[]): Promise<void> {
  const stat = found.length < maxFindings ? await host.lstat(path) : undefined;
  // A link's own mode says nothing; only who owns the folder could make it.
  if (stat === undefined || (stat.kind === 'symlink' && kind === undefined)) return;
  check(host, path, stat, kind, found);
  if (stat.kind !== 'directory' || below === 0) return;
  for (const name of await host.readdir(path)) if (!copies.test(name)) await walk(host, `${path}/${name}`, below - 1, undefined, found);
}

function check(host: HostView, path: HostPath, stat: Stat, kind: Stat['kind'] | undefined, found: Finding[]): void {
  const trusted = [0, process.getuid?.() ?? 0];
  if ((kind !== undefined && stat.kind !== kind) || !['directory', 'file', 'symlink'].includes(stat.kind)) {
    found.push(unsafe(host, path, stat.kind === 'file' ? 'is no folder, but a file' : 'is neither a file nor a folder', stat, false));
  } else if (!trusted.includes(stat.uid)) {
    found.push(unsafe(host, path, `belongs to the user with the id ${stat.uid}`, stat));
  } else if ((stat.mode & 0o022) !== 0) {
    found.push(unsafe(host, path, `may be written by others: its mode is ${stat.mode.toString(8)}`, stat));
  }
}

function unsafe(host: HostView, path: HostPath, what: string, { kind, mode }: Stat, isOwn = true): Finding {
  const word = pathWord(host, path);
  const owned = `if it is from kata-sysext: chown root:root ${word} && chmod ${kind === 'directory' ? '755' : (mode & 0o755).toString(8)} ${word}`;
  return {
    code: 'state-unsafe',
    level: 'blocker',
    subject: path,
    found: `${path} ${what}`,
    needed: 'files and folders of root that only root may write to',
    next: `look at it: ls -lan ${word}; ${isOwn ? owned : `if nothing needs it: rm ${word}`}`,
  };
}
