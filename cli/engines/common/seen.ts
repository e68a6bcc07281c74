import { withoutMark } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostView } from '../../host/types.ts';
import type { Mark, Wiring } from '../types.ts';
import { filesView, type Overlay } from './filesView.ts';

/** A recorded mark as it is found now. */
export interface SeenMark {
  mark: Mark;
  state: 'intact' | 'gone' | 'altered';
  /** The whole file as it is now; undefined when it is not there. */
  now: string | undefined;
  /** The file without the text of kata-sysext; reliable only when that text is intact. */
  without: string | 'absent';
}

/** Looks for every mark of the recorded wiring by its exact text; nothing is guessed. `files`: as a plan would leave them. */
export async function lookForMarks(host: HostView, recorded?: Pick<Wiring, 'marks'>, files?: Overlay): Promise<SeenMark[]> {
  const view = filesView(host, files);
  const seen: SeenMark[] = [];
  for (const mark of recorded?.marks ?? []) {
    const read = await view.read(mark.path);
    // A file of the host may have become a link since.
    seen.push(mark.kind === 'file' ? seeFile(mark, read?.text) : seeRange({ ...mark, path: read?.real ?? mark.path }, read?.text));
  }
  return seen;
}

function seeFile(mark: Mark, now: string | undefined): SeenMark {
  const state = now === undefined ? 'gone' : [mark.text, ...(mark.or ?? [])].includes(now) ? 'intact' : 'altered';
  return { mark, state, now, without: 'absent' };
}

function seeRange(mark: Mark, now: string | undefined): SeenMark {
  const without = now === undefined ? undefined : withoutMark(now, mark.text, mark.path);
  if (without !== undefined) return { mark, state: 'intact', now, without };
  return { mark, state: now?.includes('kata-sysext') ? 'altered' : 'gone', now, without: now ?? 'absent' };
}

/** The files as they would be without the intact text of kata-sysext. */
export function withoutOurs(seen: readonly SeenMark[]): Overlay {
  return new Map(seen.filter((one) => one.state === 'intact').map((one) => [one.mark.path, one.without]));
}

export function findingsOf(seen: readonly SeenMark[]): Finding[] {
  return seen.flatMap(({ mark, state }) => {
    if (state === 'intact') return [];
    const what = mark.kind === 'file' ? mark.path : `The text of kata-sysext in ${mark.path}`;
    return {
      code: 'foreign-edit',
      level: 'warning' as const,
      subject: mark.path,
      found:
        state === 'gone'
          ? `${what} was removed by another program or user.`
          : `${what} was changed by another program or user; it stays as it is.`,
      needed: 'The exact text that was recorded, to change or remove it without guessing.',
      next:
        state === 'gone'
          ? 'Nothing: the next change writes the text again, or does without it.'
          : `Look at ${mark.path} and remove by hand what is no longer wanted.`,
    };
  });
}
