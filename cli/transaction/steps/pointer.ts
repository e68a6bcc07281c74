import { type Host, type HostView, tempPathFor } from '../../host/index.ts';
import { dropTemporary } from '../temporaries.ts';
import type { PointerStep, StepKind } from '../types.ts';

export const pointer: StepKind<PointerStep> = {
  prepare: async () => ({}),
  apply: (host, step) => point(host, step, step.after),
  revert: async (host, step) => {
    for (const path of step.temporary === undefined ? [tempPathFor(step.path)] : [step.temporary, tempPathFor(step.temporary)])
      await dropTemporary(host, path);
    if ((await where(host, step.path)) === step.after) await point(host, step, step.before);
  },
  look: async (host, step) => {
    const now = await where(host, step.path);
    if (now === step.before) return 'before';
    return now === step.after ? 'after' : 'other';
  },
};

async function point(host: Host, { path, temporary }: PointerStep, target: string | 'absent'): Promise<void> {
  if (target === 'absent') return host.unlink(path);
  await host.symlink(temporary ?? path, target);
  if (temporary !== undefined) await host.rename(temporary, path);
  await host.relabel([path]);
}

async function where(host: HostView, path: string): Promise<string> {
  if ((await host.lstat(path)) === undefined) return 'absent';
  return (await host.readlink(path)) ?? 'not a link';
}
