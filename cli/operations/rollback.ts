import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import { findGeneration, type Generation, readGeneration, readGenerations } from '../store/index.ts';
import { planSwitchTo } from './switchToExisting.ts';

export interface RollbackRequest extends ChangeOptions {
  /** The generation to go to; default: the one that was active before this one. */
  to?: number | undefined;
}

/** Back to an earlier generation, wiring included. Twice returns. */
export function planRollback(view: View, request: RollbackRequest): Promise<OperationPlan> {
  return planSwitchTo(view, 'rollback', request, (from) =>
    request.to === undefined ? before(view.host, from) : readGeneration(view.host, request.to),
  );
}

async function before(host: HostView, from: Generation | undefined): Promise<Generation> {
  const number = from?.record.previous;
  const previous = number === undefined ? undefined : await findGeneration(host, number);
  if (previous !== undefined && previous.record.state !== 'failed') return previous;
  const others = (await readGenerations(host)).filter(({ record }) => record.state !== 'failed').map(({ manifest }) => manifest.number);
  throw new KataError('no-previous-generation', {
    subject: from === undefined ? 'nothing is installed' : `generation ${from.manifest.number}`,
    found: from === undefined ? 'there is no active generation' : `no generation was active before ${from.manifest.number}, or it is gone`,
    needed: 'an earlier generation',
    next: nextFor(from?.manifest.number, others),
  });
}

/** Only what this host can do: there may be other generations, only the active one, or none. */
function nextFor(active: number | undefined, all: number[]): string {
  const [newest, ...more] = all.filter((number) => number !== active).sort((a, b) => b - a);
  if (newest !== undefined) return [`kata-sysext rollback --to ${newest}`, ...more.map((number) => `--to ${number}`)].join(', or ');
  return active === undefined ? 'kata-sysext install BUNDLE' : 'to go back to a host without Kata: kata-sysext uninstall';
}
