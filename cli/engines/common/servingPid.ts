import { childOf } from '../../facts/processes.ts';
import type { HostView } from '../../host/types.ts';
import type { Effect } from '../types.ts';

/** The process that serves pods: the main process of a unit, or the child that it restarts by itself. undefined where there is none. */
export async function servingPid(host: HostView, mainPid: number, effect: Effect | undefined): Promise<number | undefined> {
  if (effect?.by === 'itself') return (await childOf(host, mainPid, effect.program))?.pid;
  return mainPid > 0 ? mainPid : undefined;
}
