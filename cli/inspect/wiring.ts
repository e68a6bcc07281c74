import type { Mark } from '../engines/index.ts';
import { errnoOf, type Finding, KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { activeGeneration, type Generation, imageNumber, installAgain, isMarked, marksOf } from '../store/index.ts';

/** A file that does not have the text any more that the wiring of a generation put there. */
export interface Lost {
  path: HostPath;
  /** It has another text of kata-sysext, which no change takes out or replaces: that would be a guess. */
  isAltered: boolean;
}

export async function lostWiring(host: HostView, { record }: Generation): Promise<Lost[]> {
  const lost = new Map<HostPath, Lost>();
  for (const mark of marksOf(record.wiring)) {
    const now = await host.readText(mark.path);
    if (isMarked(mark, now) && !isContinued(mark, now ?? '')) continue;
    const isAltered = mark.kind === 'file' ? (now ?? '') !== '' : now?.includes('kata-sysext') === true;
    lost.set(mark.path, { path: mark.path, isAltered: isAltered || lost.get(mark.path)?.isAltered === true });
  }
  return [...lost.values()];
}

/**
 * A line below a table of kata-sysext belongs to that table, so that no change can take the text out any more. `withoutMark` finds all such
 * edits, with a parser that `status` must not load.
 */
function isContinued({ kind, text, path }: Mark, now: string): boolean {
  if (kind !== 'range' || path.endsWith('.json') || !/^\[/m.test(text)) return false;
  const below = now.slice(now.indexOf(text) + text.length).split('\n');
  const next = below.find((line) => /^\s*[^\s#]/.test(line));
  // A template of k3s goes on with an action.
  return next !== undefined && !/^\s*(?:\[|\{\{)/.test(next);
}

export const lostText = 'kata-sysext’s wiring in it is gone or was changed';

/** What repairs the files of an OS image. */
export const updateImage = 'update the host to a good image: its files are not changed here';

/** What writes the wiring again. */
export function wiringAgain({ manifest }: Pick<Generation, 'manifest'>, { path, isAltered }: Lost): string {
  if (manifest.number === imageNumber) return updateImage;
  const again = installAgain(manifest);
  return isAltered ? `take what is left of kata-sysext’s text out of ${path} by hand, then: ${again}` : again;
}

/**
 * Which wiring counts here, and where it is lost. Who may not read a file of the engine, or the journal, gets no loss reported; what is
 * damaged is for `verify` to report.
 */
export async function seenWiring(host: HostView): Promise<{ active?: Generation; lost: Lost[] }> {
  try {
    const active = await activeGeneration(host);
    return active === undefined ? { lost: [] } : { active, lost: await lostWiring(host, active) };
  } catch (error) {
    if (errnoOf(error) !== 'EACCES' && !(error instanceof KataError)) throw error;
    return { lost: [] };
  }
}

/** One for each file in which it is lost; a change writes it again, so that it prevents none. */
export function lostFindings(active: Generation | undefined, lost: Lost[]): Finding[] {
  return lost.map((each) => ({
    code: 'drift-found',
    level: 'warning',
    subject: each.path,
    found: `${each.path}: ${lostText}`,
    needed: 'the wiring as it was made',
    next: active === undefined ? 'kata-sysext verify' : wiringAgain(active, each),
  }));
}
