import { setTimeout as pause } from 'node:timers/promises';
import { ApiError } from '../client.ts';

/** Whether a node reaches the API server. */
export interface Presence {
  isAway(): boolean;
  leave(): void;
  comeBack(): void;
  /** Does it until it is done, or has become pointless: the server may be busy, and the node away. */
  insist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined>;
}

export function presenceOf(): Presence {
  let present = Promise.resolve();
  let arrive: (() => void) | undefined;
  return {
    isAway: () => arrive !== undefined,
    leave: () => {
      if (arrive !== undefined) return;
      present = new Promise((resolve) => {
        arrive = resolve;
      });
    },
    comeBack: () => {
      arrive?.();
      arrive = undefined;
    },
    insist: async (work, signal) => {
      while (!signal.aborted) {
        await present;
        if (signal.aborted) return undefined;
        try {
          return await work();
        } catch (error) {
          if (error instanceof ApiError && [404, 409].includes(error.status)) return undefined;
          await pause(300, undefined, { signal }).catch(() => undefined);
        }
      }
      return undefined;
    },
  };
}
