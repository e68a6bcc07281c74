import { setTimeout as sleep } from 'node:timers/promises';
import { commandWord, type Finding, KataError } from '../errors/index.ts';
import { deploymentNow } from '../facts/index.ts';
import {
  beyondStopping,
  dryRunMark,
  type Host,
  type HostView,
  inhibitShutdown,
  lockedByRoot,
  stopIfAsked,
  takeLock,
  undisturbed,
} from '../host/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { removeLeftPods } from '../pod/index.ts';
import { withRoomAdvice } from '../preflight/collectable.ts';
import { refuse } from '../preflight/engine.ts';
import { refuseBaked } from '../preflight/imageRules.ts';
import { refuseReadOnly } from '../preflight/refusals.ts';
import { stateFindings } from '../preflight/stateFolders.ts';
import {
  dropImageHistory,
  gcStaging,
  isVacant,
  lockFile,
  noteFolder,
  removeEmptyDirs,
  reserveSpace,
  stagingOf,
  stateFolder,
} from '../store/index.ts';
import { openEntries, openHere, type Recovered, recover } from '../transaction/index.ts';
import { writeSystemJournal } from './systemJournal.ts';
import type { Context, View } from './types.ts';

const lookEveryMs = 500;

interface ForeignLock {
  path: string;
  owner: string;
}

/** Locks of programs that edit the same files, or that exchange the OS or its engine meanwhile. */
const foreignLocks: ForeignLock[] = [
  { path: '/run/lock/kata-deploy.lock', owner: 'kata-deploy' },
  { path: '/ostree/lock', owner: 'an ostree or rpm-ostree transaction' },
  { path: '/run/tukit.lock', owner: 'transactional-update' },
  { path: '/var/lib/dpkg/lock-frontend', owner: 'dpkg or apt' },
  { path: '/usr/lib/sysimage/rpm/.rpm.lock', owner: 'rpm' },
  { path: '/var/lib/rpm/.rpm.lock', owner: 'rpm' },
];

/**
 * Verbs whose dry run unpacks an archive, to know what is in it, and so needs room in the staging folder. Their dry run removes what an
 * interrupted change left there; other dry runs leave it.
 */
const unpacking = ['install', 'adopt'];

/** What the runner did before it asks for a plan. */
export type Before = Pick<View, 'recovered' | 'left'>;

/**
 * Runs a changing verb: as root, with the lock of kata-sysext, and while no other program holds a lock of its own. An interrupted change is
 * finished or undone first, and `recover` gets what that change had unpacked. Empty folders of kata-sysext are removed at the end.
 */
export async function underLock<T>(
  context: Context,
  verb: string,
  options: ChangeOptions,
  work: (before: Before) => Promise<T>,
): Promise<T> {
  const { host } = context;
  const touchesNothing = options.dryRun && !unpacking.includes(verb);
  needRoot(context, verb);
  await refuseReadOnly(host);
  refuse(await stateFindings(host), options.allow);
  const doing = options.dryRun ? `${verb} ${dryRunMark}` : verb;
  const lock = await takeLock(host, lockFile, doing, {
    seconds: options.waitSeconds,
    signal: context.signal,
    tell: (holder) => context.emit({ kind: 'note', text: `${holder} holds the lock; waiting for up to ${options.waitSeconds} s` }),
  });
  // The boot guard does not delay a shutdown right after the boot: the next boot finishes or undoes what the guard was doing.
  const allowShutdown = host.live && verb !== 'boot' ? await inhibitShutdown(`${doing} is running`) : () => undefined;
  try {
    await undisturbed(host, async () => {
      for (const folder of lock.made) if (folder !== stateFolder) await noteFolder(host, folder);
    });
    await waitForForeignLocks(context, verb, options);
    // A recovery always runs to its end, so that a stopped verb does not begin one. At boot it runs in any case: the engine waits for it.
    if (verb !== 'boot') stopIfAsked(context.signal);
    const left = verb === 'recover' ? await stagingOf(host) : undefined;
    // Before an undo takes away the shim by which the engine cleans up after them.
    if (verb !== 'boot' && !options.dryRun) await removeLeft(context);
    const recovered = await undisturbed(host, () => recoverFirst(context, verb, options, touchesNothing));
    if (verb === 'recover' && recovered.length > 0) beyondStopping(host);
    await refuseBaked(host, verb);
    return await work({ recovered, left });
  } catch (error) {
    throw await withRoomAdvice(host, error);
  } finally {
    const cleans = !touchesNothing || lock.made.includes(stateFolder);
    await undisturbed(host, () => (cleans ? leaveNothing(context, options) : dropLock(host)));
    allowShutdown();
    await lock.release();
  }
}

/** Pods that a killed `--pod` or `--prove pod` left. */
async function removeLeft({ host, emit }: Context): Promise<void> {
  const { removed, failures } = await undisturbed(host, () => removeLeftPods(host));
  if (removed > 0) emit({ kind: 'warning', text: `removed ${removed === 1 ? 'a pod' : `${removed} pods`} that a killed proof had left` });
  for (const text of failures) emit({ kind: 'warning', text });
}

/** Removes what a refused or failed change left in the folders of kata-sysext. While a change is still open, its recovery does that. */
async function leaveNothing({ host, emit }: Context, { dryRun }: ChangeOptions): Promise<void> {
  try {
    if ((await openEntries(host)).length > 0) return;
    await gcStaging(host);
    if (host.image) await dropImageHistory(host);
    await removeEmptyDirs(host);
    if (!dryRun && !host.image && !(await isVacant(host))) await reserveSpace(host);
    // An offline tree has no kernel that labels new files by their folder.
    if (!host.booted) await host.relabel([stateFolder]);
  } catch (error) {
    emit({ kind: 'warning', text: `the folders of kata-sysext could not be cleaned up: ${String(error)}` });
  }
}

/** What `leaveNothing` does with the file of the lock, for a dry run that leaves all else. */
async function dropLock(host: Host): Promise<void> {
  const unneeded = host.image || (await isVacant(host).catch(() => false));
  if (unneeded) await host.unlink(lockFile).catch(() => undefined);
}

function needRoot({ host }: Context, verb: string): void {
  if (!host.booted || process.getuid?.() === 0) return;
  throw new KataError('needs-root', {
    subject: verb,
    found: `user id ${process.getuid?.()}`,
    needed: 'root, because the change is on the live host',
    next: `sudo kata-sysext ${verb} …`,
  });
}

/**
 * Waits for the locks of other programs: `--wait` seconds, then throws `host-busy`. Where a boot waits for the program, or an engine that is
 * down (`othersSeconds`), and with `--allow host-busy`, the change goes on after that: it puts whole files in place, and only if what they
 * replace is as it was. `recover` waits for nothing: it puts back what this program left half done.
 */
async function waitForForeignLocks({ host, emit, signal }: Context, verb: string, options: ChangeOptions): Promise<void> {
  if (verb === 'recover') return;
  const { othersSeconds, waitSeconds, allow } = options;
  const seconds = othersSeconds ?? waitSeconds;
  const until = performance.now() + seconds * 1000;
  let told: string | undefined;
  for (;;) {
    const held = await foreignLock(host);
    if (held === undefined) return;
    if (signal.aborted && othersSeconds === undefined) throw stoppedWaiting(held);
    if (performance.now() >= until || signal.aborted) return goOn(held);
    if (held.path !== told) emit({ kind: 'note', text: `${held.owner} holds ${held.path}; waiting for up to ${seconds} s` });
    told = held.path;
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
  }

  function goOn({ path, owner }: ForeignLock): void {
    const finding: Finding = {
      code: 'host-busy',
      level: 'blocker',
      subject: path,
      found: `${owner} holds ${path}`,
      needed: 'one installer at a time',
      next: `wait until ${owner} has ended (--wait SECONDS); fuser -v ${commandWord(path)} shows its process`,
    };
    if (othersSeconds === undefined) refuse([finding], allow);
    emit({ kind: 'warning', text: `${owner} holds ${path}; the change does not wait any longer` });
  }
}

function stoppedWaiting({ path, owner }: ForeignLock): KataError {
  return new KataError('interrupted', {
    subject: path,
    found: `stopped while ${owner} held ${path}; nothing was done`,
    needed: 'no signal',
    next: 'run the command again',
  });
}

async function foreignLock(host: HostView): Promise<ForeignLock | undefined> {
  const held = await lockedByRoot(
    host,
    foreignLocks.map(({ path }) => path),
  );
  return foreignLocks.find(({ path }) => held.includes(path));
}

/** Changing verbs recover first and say so. What `touchesNothing` does not even remove rubbish. */
async function recoverFirst({ host, emit }: Context, verb: string, options: ChangeOptions, touchesNothing: boolean): Promise<Recovered[]> {
  const here = await deploymentNow(host);
  const open = options.dryRun && verb !== 'recover' ? await openHere(host, here) : [];
  if (open.length > 0) {
    throw new KataError('journal-open', {
      subject: `change ${open[0]}`,
      found: 'an interrupted change is neither finished nor undone yet',
      needed: 'a host without interrupted changes, because a dry run changes nothing',
      next: 'kata-sysext recover',
    });
  }
  if (touchesNothing) return [];
  const recovered = await recover(host, here);
  for (const { id, verb, result } of recovered) {
    await writeSystemJournal(host, { id, verb, result, reason: 'it was interrupted' });
    if (result === 'not-restored') continue;
    emit({ kind: 'warning', text: `the interrupted ${verb} (change ${id}) was ${result === 'finished' ? 'finished' : 'undone'} first` });
  }
  const failed = recovered.find(({ result }) => result === 'not-restored');
  if (failed !== undefined)
    throw new KataError('not-restored', {
      subject: `change ${failed.id}`,
      found: `the interrupted ${failed.verb} could not be undone whole`,
      needed: 'every file of that change as it was before',
      next: `kata-sysext history ${failed.id}`,
    });
  return recovered;
}
