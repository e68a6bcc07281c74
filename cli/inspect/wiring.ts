import type { Mark } from '../engines/index.ts';
import { errnoOf, type Finding, KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { activeGeneration, type Generation, imageNumber, installAgain, isMarked, marksOf } from '../store/index.ts';

/** Files that do not have the text any more that the wiring of this generation put there. */
export async function lostWiring(host: HostView, { record }: Generation): Promise<HostPath[]> {
  const lost = new Set<HostPath>();
  for (const mark of marksOf(record.wiring)) {
    const now = await host.readText(mark.path);
    if (!isMarked(mark, now) || isContinued(mark, now ?? '')) lost.add(mark.path);
  }
  return [...lost];
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

/** The command that writes the wiring again. */
function wiringAgain({ manifest }: Pick<Generation, 'manifest'>): string {
  return manifest.number === imageNumber ? updateImage : installAgain(manifest);
}

/**
 * Which wiring counts here, and where it is lost. Who may not read a file of the engine, or the journal, gets no loss reported; what is
 * damaged is for `verify` to report.
 */
export async function seenWiring(host: HostView): Promise<{ active?: Generation; lost: HostPath[] }> {
  try {
    const active = await activeGeneration(host);
    return active === undefined ? { lost: [] } : { active, lost: await lostWiring(host, active) };
  } catch (error) {
    if (errnoOf(error) !== 'EACCES' && !(error instanceof KataError)) throw error;
    return { lost: [] };
  }
}

/** One for each file in which it is lost; a change writes it again, so that it prevents none. */
export function lostFindings(active: Generation | undefined, lost: HostPath[]): Finding[] {
  return lost.map((path) => ({
    code: 'drift-found',
    level: 'warning',
    subject: path,
    found: `${path}: ${lostText}`,
    needed: 'the wiring as it was made',
    next: active === undefined ? 'kata-sysext verify' : wiringAgain(active),
  }));
}
