import { tableOf, text } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import { isRequested, layeringOf } from '../facts/index.ts';
import type { Host, HostView } from '../host/index.ts';
import { deadlineMs, kind } from './shapes.ts';
import type { LayerStep, StepKind } from './types.ts';

const pauseMs = 1000;

/**
 * The plan was made where no other deployment waited for the next boot, so dropping the one that waits is the way back. What is staged lies
 * in /run: a boot after a loss of power has nothing of it, and one after an ordinary shutdown is another deployment, with its own journal.
 */
export const layer: StepKind<LayerStep> = {
  shape: tableOf({ kind, package: text, deadlineMs }),
  subject: (step) => step.package,
  describe: (step) => `let rpm-ostree stage a deployment without the layered package ${step.package}, for the next boot`,
  prepare: async (host, step) => {
    const now = await layeringOf(host);
    if (now !== undefined && isRequested(now.requested, step.package) && now.next === undefined && !now.busy) return { begun: true };
    throw new KataError('edited-meanwhile', {
      subject: step.package,
      found: 'what rpm-ostree has layered, or staged for the next boot, changed since the plan was made',
      needed: `${step.package} layered, and no other deployment that waits`,
      next: 'rpm-ostree status; then run the command again',
    });
  },
  apply: async (host, step) => {
    await host.run('rpm-ostree', ['uninstall', step.package], { timeoutMs: step.deadlineMs });
  },
  revert: async (host, step) => {
    if (!host.live) return;
    await idle(host, step);
    if ((await place(host, step)) === 'after') await host.run('rpm-ostree', ['cleanup', '--pending'], { timeoutMs: step.deadlineMs });
  },
  look: place,
};

async function place(host: HostView, step: LayerStep): Promise<'before' | 'after'> {
  const next = host.live ? (await layeringOf(host))?.next : undefined;
  return next !== undefined && !isRequested(next, step.package) ? 'after' : 'before';
}

/** The daemon goes on when the one who asked it dies. */
async function idle(host: Host, { deadlineMs }: LayerStep): Promise<void> {
  const until = performance.now() + deadlineMs;
  while ((await layeringOf(host))?.busy === true && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, pauseMs));
}
