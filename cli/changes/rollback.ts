import { KataError } from '../errors/index.ts';
import { findGeneration, type Generation, readGeneration } from '../store/index.ts';
import { goTo } from './making/goTo.ts';
import type { Answer, ChangeOptions, Context } from './types.ts';

export interface RollbackRequest extends ChangeOptions {
  /** The generation to go to; default: the one that was active before this one. */
  to?: number;
}

/** Back to an earlier generation, wiring included. Twice returns. */
export function rollback(context: Context, request: RollbackRequest): Promise<Answer> {
  return goTo(context, 'rollback', request, (from) =>
    request.to === undefined ? before(context, from) : readGeneration(context.host, request.to),
  );
}

async function before({ host }: Context, from: Generation | undefined): Promise<Generation> {
  const number = from?.record.previous;
  const previous = number === undefined ? undefined : await findGeneration(host, number);
  if (previous !== undefined && previous.record.state !== 'failed') return previous;
  throw new KataError('no-previous-generation', {
    subject: from === undefined ? 'nothing is installed' : `generation ${from.manifest.number}`,
    found: from === undefined ? 'there is no active generation' : `no generation was active before ${from.manifest.number}, or it is gone`,
    needed: 'an earlier generation',
    next: 'kata-sysext status -v; choose one with rollback --to N',
  });
}
