import { commandWord, KataError } from '../errors/index.ts';
import { type HostView, openHost } from '../host/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { guardOf } from '../planning/programCopy.ts';
import { activeRecord, nothingAfterwards } from '../planning/records.ts';
import { othersWiring } from '../planning/replaceWiring.ts';
import { switchedOn } from '../planning/selinuxSwitch.ts';
import type { Found } from '../planning/types.ts';
import { findEngine } from '../preflight/engine.ts';
import { checkedSwitch } from '../preflight/switch.ts';
import { runLocked } from '../runner/run.ts';
import type { Context, OperationPlan, View } from '../runner/types.ts';
import { activeGeneration, type Generation, type GenerationState, releaseReservedSpace } from '../store/index.ts';
import { asWired, partFor, wiredEngines } from './engine.ts';
import { lastBlessed } from './suits.ts';

/**
 * No administrator is there to ask or to allow anything; only text of an engine that is gone goes, because nothing reads it. An update that
 * runs as well is waited for within the time that the units have (90 s), and then not any longer: an engine that cannot start is worse than
 * an edit during the update.
 */
export const bootOptions: ChangeOptions = { dryRun: false, waitSeconds: 30, othersSeconds: 15, allow: ['engine-gone'] };

/** What becomes of the files below /usr: they come later in this boot, they stay until the next one, or PID 1 shows others when it is asked. */
export type Usr = 'comes' | 'stays' | 'asked';

export interface RolledBack {
  /** The generation that is active now. */
  to: number | undefined;
  /** No engine is here that the generation is wired for, in words: its wiring has no effect, and stays. */
  without?: string;
}

/**
 * The active generation is rolled back: the one that was blessed last becomes active, else none, and the engine starts as it did without
 * Kata. Its own files stay; `activate` tries it again. 'asked' is for the running host whose engine is down: it is started by the caller.
 * Where its engine is absent nothing is changed, and `without` says so: while /usr still comes, an extension may bring the engine.
 * Throws `owned-by-machineconfig` where a MachineConfig has a file that would have to be changed for it, `handler-is-default` where the engine
 * takes a handler of it by default.
 */
export async function rollBackAtBoot(context: Context, from: Generation, reason: string, usr: Usr): Promise<RolledBack> {
  const { emit } = context;
  emit({ kind: 'warning', text: `generation ${from.manifest.number} is being rolled back: ${reason}` });
  const done = await successor(context, from, reason, usr).catch((error: unknown) => {
    throw isKept(error) ? cannotGo(from, reason, error) : error;
  });
  emit({ kind: 'warning', text: outcome(done, usr) });
  return done;
}

function outcome({ to, without }: RolledBack, usr: Usr): string {
  if (without === undefined) return to === undefined ? 'no generation is active now' : `generation ${to} is active`;
  return usr === 'comes'
    ? `the rollback waits for the second phase of this boot, because an extension may bring the engine: ${without}`
    : `generation ${to} stays active, because no engine reads its wiring: ${without}`;
}

/**
 * Whether a rollback is impossible because a MachineConfig has a file of the generation (the boot guard does not change such a file,
 * whatever becomes of the engine), or because the engine would serve no pod without the handler that it takes by default.
 */
export function isKept(error: unknown): error is KataError {
  return error instanceof KataError && (error.code === 'owned-by-machineconfig' || error.code === 'handler-is-default');
}

/**
 * For the log of a boot, where no command prints what to do. A degraded node is online, and not updated (OpenShift, “configuration drift”).
 */
function cannotGo({ manifest, record: { wiring, previous } }: Generation, reason: string, { code, complaint }: KataError): KataError {
  const engine = wiring?.unit ?? wiring?.engine ?? 'the engine';
  const found = `generation ${manifest.number} should be rolled back (${reason}), and stays as it is: ${complaint.found}`;
  if (code === 'handler-is-default') {
    const command = `kata-sysext ${previous === undefined ? 'uninstall' : 'rollback'}`;
    return new KataError(code, { ...complaint, found, next: complaint.next.replace(/run the command again$/, command) });
  }
  return new KataError(code, {
    ...complaint,
    found,
    next: `${complaint.next}; if ${engine} does not start until then: mv ${commandWord(complaint.subject ?? '')} /root/ && systemctl restart ${commandWord(engine)}, after which the operator calls the node degraded as long as the MachineConfig has the file`,
  });
}

/** The one that was blessed last; none where there is no such one, or where it cannot be made active. */
async function successor(context: Context, from: Generation, reason: string, usr: Usr): Promise<RolledBack> {
  const { host, emit } = context;
  const to = await lastBlessed(host, from, usr === 'stays').catch(() => undefined);
  // By files alone at last: what is below /usr has no effect once the engine does not name it.
  const byFiles = { ...context, host: openHost(host.root, host.env, { starting: true }) };
  const ways = [
    ...(to === undefined ? [] : [{ context, to }]),
    { context, to: undefined },
    ...(host.live ? [{ context: byFiles, to: undefined }] : []),
  ];
  for (const [index, way] of ways.entries()) {
    try {
      await switchTo(way.context, { from, to: way.to, left: 'failed', reason });
      return { to: way.to?.manifest.number };
    } catch (error) {
      if (!(error instanceof KataError) || error.exitCode === 5) throw error;
      // An update removed the engine: the wiring has no effect, and is there when the engine comes back.
      if (error.code === 'engine-missing') return { to: from.manifest.number, without: error.complaint.found };
      if (index === ways.length - 1) throw error;
      const what = way.to === undefined ? 'what is below /usr cannot be removed' : `generation ${way.to.manifest.number} cannot replace it`;
      emit({ kind: 'warning', text: `${what}: ${error.complaint.found}` });
    }
  }
  return { to: undefined };
}

/** It was not its fault: what was rolled back is active again. */
export async function takeBack(context: Context, to: Generation, reason: string): Promise<void> {
  const from = await activeGeneration(context.host);
  await switchTo(context, { from, to, left: 'retired', reason });
}

async function enginesOf(host: HostView, wired: Generation | undefined): Promise<Found[]> {
  if (wired === undefined) return [await findEngine(host, undefined)];
  return (await wiredEngines(host, wired)).map((found) => asWired(found, partFor(wired, found)));
}

interface BootSwitch {
  from: Generation | undefined;
  to: Generation | undefined;
  /** What becomes of `from`. */
  left: GenerationState;
  reason: string;
}

async function switchTo(context: Context, { from, to, left, reason }: BootSwitch): Promise<void> {
  await releaseReservedSpace(context.host);
  const engines = await enginesOf(context.host, from ?? to);
  await runLocked(context, (view) => planBootSwitch(view, engines, { from, to, left, reason }), bootOptions);
}

async function planBootSwitch(view: View, engines: Found[], { from, to, left, reason }: BootSwitch): Promise<OperationPlan> {
  const { host, id, started } = view;
  const guard = to === undefined ? undefined : await guardOf(view, to.manifest);
  const theirs = await othersWiring(host, engines[0]!, from, to);
  const ends = { from, to: to?.manifest, selinux: switchedOn(to?.record), loadModules: to?.record.loadModules };
  const planned = await checkedSwitch(host, { verb: 'boot', id, engines, options: bootOptions, guard, ...ends, down: true, ...theirs });
  const records = [
    ...(from === undefined ? [] : [{ number: from.manifest.number, state: left }]),
    ...(to === undefined ? [] : [activeRecord(to.manifest.number, planned, started)]),
  ];
  return {
    verb: 'boot',
    plan: planned.plan,
    idle: false,
    from: from?.manifest.number,
    to: to?.manifest,
    engines,
    planned,
    reason,
    afterwards: { ...nothingAfterwards, records },
  };
}
