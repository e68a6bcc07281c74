import { setTimeout as sleep } from 'node:timers/promises';
import type { Health } from './health.ts';

/** How long the engine may take until it serves, and for how long it must go on. */
const patienceMs = 300_000;
const steadyMs = 10_000;
const pauseMs = 1_000;

export interface Seen {
  /** What is wrong; undefined when everything was well for long enough. */
  ill?: string | undefined;
  /** The engine itself does not serve. */
  down: boolean;
  /** It was not started, all the time. */
  untried?: boolean;
  /** Which run of the engine was well for long enough. */
  run?: string;
}

/** Milliseconds that only go forward. */
export interface Clock {
  now(): number;
  pause(ms: number): Promise<unknown>;
}

export const ownClock: Clock = { now: () => performance.now(), pause: (ms) => sleep(ms) };

/**
 * Looks once a second until the same run of the engine was well for 10 s, it has failed, or 300 s have passed. A signal says nothing about
 * the engine: the sender may be ending the engine as well.
 */
export async function watch(look: () => Promise<Health>, signal: AbortSignal, clock = ownClock): Promise<Seen> {
  const until = clock.now() + patienceMs;
  let since: { at: number; run: string } | undefined;
  for (;;) {
    const now = await look();
    const at = clock.now();
    if (now.ill === undefined && since?.run !== now.run) since = { at, run: now.run };
    if (now.ill !== undefined) since = undefined;
    if (since !== undefined && at - since.at >= steadyMs) return { down: false, run: since.run };
    if (signal.aborted) return { ill: 'interrupted', down: false };
    const late = at > until;
    if (now.failed || late) return { ill: now.ill ?? 'it did not go on for long enough', down: now.down, untried: now.untried && late };
    await clock.pause(pauseMs);
  }
}

/** Whether the engine answers within 60 s; the wait ends when systemd stops restarting it. */
export async function comesUp(look: () => Promise<Pick<Health, 'serves' | 'failed'>>, clock = ownClock): Promise<boolean> {
  const until = clock.now() + patienceMs / 5;
  for (;;) {
    const { serves, failed } = await look();
    if (serves || failed || clock.now() > until) return serves;
    await clock.pause(pauseMs);
  }
}
