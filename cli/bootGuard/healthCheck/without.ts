import { KataError } from '../../errors/index.ts';
import type { Host } from '../../host/index.ts';
import { underLock } from '../../runner/session.ts';
import type { Context } from '../../runner/types.ts';
import { activeNumber, type Generation, wiringsOf } from '../../store/index.ts';
import { bringUp, keptDownBy, restartOf } from '../../transaction/index.ts';
import { bootOptions, isKept, rollBackAtBoot, takeBack } from '../rollBackAtBoot.ts';
import { health } from './health.ts';
import { type Clock, comesUp } from './watch.ts';

interface Tried {
  /** The generation that is active now. */
  to?: number | undefined;
  notes: string[];
  /** It was down for another reason, which has passed: the wiring is back, and has to be watched. */
  comesUpWithWiring?: boolean;
}

interface Down {
  /** What was seen of the engine. */
  ill: string;
  /** It came up with the wiring after it had been down, and is down again. */
  crossed: boolean;
  clock: Clock;
}

/**
 * Starts the engine without the wiring. Where that does not help, the wiring was not at fault and comes back. Where it does, the engine may
 * have been down for another reason that has passed: the wiring comes back for one more start, unless `crossed` says that this was done
 * before, and goes for good only if the engine is down again.
 */
export async function withoutIt(context: Context, from: Generation, { ill, crossed, clock }: Down): Promise<Tried> {
  const { host } = context;
  const { number } = from.manifest;
  const name =
    wiringsOf(from.record.wiring)
      .map(({ engine }) => engine)
      .join(' or ') || 'the engine';
  const notes = [ill];
  let options = bootOptions;
  let active: number | undefined = number;
  // Undefined where the administrator has made another one active meanwhile: then nothing is changed. Else whether the engine comes up.
  const tryWith = async (work: () => Promise<number | undefined>): Promise<boolean | undefined> => {
    const done = await underLock(context, 'boot', options, async () =>
      (await activeNumber(host)) === active ? { to: await work() } : undefined,
    );
    // An update is waited for once, not again while the engine is down.
    options = { ...bootOptions, othersSeconds: 0 };
    if (done === undefined) return undefined;
    active = done.to;
    await startAgain(host, from);
    return comesUp(() => health(host, from), clock);
  };
  const out = () => tryWith(async () => (await rollBackAtBoot(context, from, `${name} does not come up: ${ill}`, 'asked')).to);
  const back = (why: string) => tryWith(() => takeBack(context, from, why).then(() => number));
  const ended = (note?: string): Tried => ({
    to: active,
    notes: note === undefined ? notes : [...notes, note],
  });
  const another = { notes: [...notes, 'another generation is active by now; nothing is changed'] };

  const bare = await out().catch((error: unknown) => {
    if (isKept(error) && !crossed) return error;
    throw error;
  });
  if (bare instanceof KataError) return asItIs(context, from, bare, clock);
  if (bare === undefined) return another;
  if (bare && crossed) return ended();
  const why = bare
    ? `${name} comes up without it; another start with it will show whether it is the cause`
    : `${name} does not come up without it either`;
  const withUs = await back(why).catch(unlessHalfDone);
  if (withUs === undefined) return another;
  if (withUs instanceof KataError) return ended(`another start with it is not possible: ${withUs.complaint.found}`);
  if (!bare) return ended(`${name} does not come up without the wiring either, so the wiring is back`);
  if (withUs) {
    const note = `${name} comes up with the wiring as well by now, so that generation ${number} is active again`;
    context.emit({ kind: 'warning', text: note });
    return { ...ended(note), comesUpWithWiring: true };
  }
  return (await out()) === undefined ? another : ended();
}

/** The wiring cannot go, so it stays: what is left is another start, for a reason that has passed meanwhile. */
async function asItIs({ host, emit }: Context, from: Generation, refusal: KataError, clock: Clock): Promise<Tried> {
  emit({ kind: 'warning', text: refusal.complaint.found });
  await startAgain(host, from);
  if (!(await comesUp(() => health(host, from), clock))) throw refusal;
  return { to: from.manifest.number, notes: [refusal.complaint.found], comesUpWithWiring: true };
}

/** What is refused before anything is written leaves the engine as it runs. */
function unlessHalfDone(error: unknown): KataError {
  if (error instanceof KataError && error.exitCode !== 5) return error;
  throw error;
}

/** A daemon that reads its files at a reload is started again all the same: whether it starts with them is the question. */
async function startAgain(host: Host, { record }: Generation): Promise<void> {
  const systemd = await host.systemd();
  if (systemd === undefined) return;
  for (const { unit, effect } of wiringsOf(record.wiring)) {
    if (unit === undefined) continue;
    const way = effect?.by === 'reload' ? { unit } : { unit, effect };
    await bringUp(host, await restartOf(host, systemd, way, await keptDownBy(host, unit)));
  }
}
