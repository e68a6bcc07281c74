import { setTimeout as sleep } from 'node:timers/promises';
import type { Health } from './health.ts';

/** How long the engine may take until it serves, and for how long it must go on. */
const patienceMs = 300_000;
const steadyMs = 10_000;
const pauseMs = 1_000;

export interface Seen {
  /** What is wrong; undefined when everything was well for long enough. */
  ill?: string;
  /** The engine itself does not serve. */
  down: boolean;
  /** Nobody started it, all the time. */
  untried?: boolean;
  /** Which run of the engine was well for long enough. */
  run?: string;
}

/** Looks once a second until the same run of the engine was well for 10 s, systemd gave up on it, or 300 s have passed. */
export async function watch(look: () => Promise<Health>, signal: AbortSignal): Promise<Seen> {
  const until = performance.now() + patienceMs;
  let since: { at: number; run: string } | undefined;
  for (;;) {
    const now = await look();
    const at = performance.now();
    if (now.ill === undefined && since?.run !== now.run) since = { at, run: now.run };
    if (now.ill !== undefined) since = undefined;
    if (since !== undefined && at - since.at >= steadyMs) return { down: false, run: since.run };
    if (now.failed || signal.aborted || at > until) {
      if (now.ill !== undefined || at > until)
        return { ill: now.ill ?? 'it did not go on for long enough', down: now.down, untried: now.untried && at > until };
      return { ill: 'interrupted', down: false };
    }
    await sleep(pauseMs);
  }
}

/** Whether the engine answers within 60 s; systemd giving up on it ends the wait. */
export async function comesUp(look: () => Promise<Health>): Promise<boolean> {
  const until = performance.now() + patienceMs / 5;
  for (;;) {
    const { serves, failed } = await look();
    if (serves || failed || performance.now() > until) return serves;
    await sleep(pauseMs);
  }
}
