import { errnoOf } from '../errors/index.ts';
import { type HostView, type LockHolder, lockHolder } from '../host/index.ts';
import { lockFile } from '../store/index.ts';
import { markedChange, openEntries } from '../transaction/index.ts';

/** Whether a change runs, and which were interrupted. */
export interface ChangeState {
  /** The one that runs now, from its first moment on, also while it unpacks. What cannot be told is left out. */
  change?: { state: 'running' } & LockHolder;
  /** Changes that nobody works on any more: `recover` settles them. Empty while one runs, because that is what it does first. */
  interrupted: number[];
}

/** Asks no bus and takes no lock. Also for users who may not look into the journal: the mark in /etc names one open change. */
export async function changeState(host: HostView): Promise<ChangeState> {
  const holder = await lockHolder(host, lockFile);
  if (holder !== undefined) return { change: { state: 'running', ...holder }, interrupted: [] };
  const interrupted = await openEntries(host).catch(async (error: unknown) => {
    if (errnoOf(error) !== 'EACCES') throw error;
    const marked = await markedChange(host);
    return marked === undefined ? [] : [marked];
  });
  // It may have begun, or ended, between the two questions.
  const now = interrupted.length === 0 ? undefined : await lockHolder(host, lockFile);
  return now === undefined ? { interrupted } : { change: { state: 'running', ...now }, interrupted: [] };
}
