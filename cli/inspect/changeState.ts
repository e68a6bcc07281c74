import { errnoOf, type Finding, KataError } from '../errors/index.ts';
import { deploymentNow } from '../facts/index.ts';
import { type HostView, type LockHolder, lockHolder } from '../host/index.ts';
import { bytes } from '../output/index.ts';
import { lockFile, type Staging, stagingOf } from '../store/index.ts';
import { isCommitted, markedChange, openEntries, openHere } from '../transaction/index.ts';

/** Whether a change runs, and which were interrupted. */
export interface ChangeState {
  /** The one that runs now, from its first moment on, also while it unpacks. What is not known is left out. */
  change?: { state: 'running' } & LockHolder;
  /** Changes whose process has ended: `recover` finishes or undoes them. Empty while one runs, because that is what it does first. */
  interrupted: number[];
  /** Those of them that have happened: only their clean-up is pending. Left out where there is none. */
  committed?: number[] | undefined;
  /** What an interrupted unpacking left, that `recover` removes. */
  staging?: Staging;
}

/** Asks no bus and takes no lock. Also for users who may not look into the journal: the mark in /etc names one open change. */
export async function changeState(host: HostView): Promise<ChangeState> {
  const holder = await lockHolder(host, lockFile);
  if (holder !== undefined) return { change: { state: 'running', ...holder }, interrupted: [] };
  const open: ChangeState = await openChanges(host).catch(async (error: unknown) => {
    if (errnoOf(error) !== 'EACCES') throw error;
    const marked = await markedChange(host);
    return { interrupted: marked === undefined ? [] : [marked], ...stagingAs(await stagingOf(host)) };
  });
  // It may have begun, or ended, between the two questions.
  const now = open.interrupted.length === 0 && open.staging === undefined ? undefined : await lockHolder(host, lockFile);
  return now === undefined ? open : { change: { state: 'running', ...now }, interrupted: [] };
}

async function openChanges(host: HostView): Promise<ChangeState> {
  const all = await openEntries(host);
  const staging = stagingAs(await stagingOf(host));
  if (all.length === 0) return { interrupted: [], ...staging };
  // Those of another deployment wait for it. Where an entry is damaged, none is left out: `recover` says what is wrong with it.
  const interrupted = await deploymentNow(host)
    .then((here) => openHere(host, here))
    .catch((error: unknown) => damagedAs(error, all));
  const committedFlags = await Promise.all(
    interrupted.map((id) => isCommitted(host, id).catch((error: unknown) => damagedAs(error, false))),
  );
  const committed = interrupted.filter((_, index) => committedFlags[index]);
  // As long as one waits for another deployment, nothing is removed.
  return { interrupted, committed: committed.length === 0 ? undefined : committed, ...(interrupted.length < all.length ? {} : staging) };
}

function stagingAs(staging: Staging | undefined): Pick<ChangeState, 'staging'> {
  return staging === undefined ? {} : { staging };
}

function damagedAs<T>(error: unknown, value: T): T {
  if (!(error instanceof KataError)) throw error;
  return value;
}

/** One for each interrupted change, with the command that finishes or undoes it. */
export function openFindings({ interrupted, committed = [] }: ChangeState): Finding[] {
  return interrupted.map((id) => ({
    code: 'journal-open',
    level: 'warning',
    subject: `change ${id}`,
    found: committed.includes(id) ? `change ${id} is committed, but its clean-up is pending` : `change ${id} was interrupted`,
    needed: 'no interrupted change; the next change finishes or undoes it first',
    next: 'kata-sysext recover',
  }));
}

/** What the killed change had unpacked lies in no journal. */
export function stagingFindings({ staging }: ChangeState): Finding[] {
  if (staging === undefined) return [];
  const { folders, sizeBytes } = staging;
  const left = sizeBytes === undefined ? 'its files are left' : `${bytes(sizeBytes)} of it are left`;
  return [
    {
      code: 'journal-open',
      level: 'warning',
      subject: folders.join(', '),
      found: `an unpacking was interrupted; ${left} in ${folders.join(', ')}`,
      needed: 'no interrupted change; the next change removes them first',
      next: 'kata-sysext recover',
    },
  ];
}
