import { exactOptional } from 'valibot';
import { tableOf, text } from '../documents/shapes.ts';
import { type Host, type HostPath, tempPathFor } from '../host/index.ts';
import { linkAt } from './linkAt.ts';
import { kind, path } from './shapes.ts';
import { dropTemporary, temporariesOf, viaTemporary } from './temporaries.ts';
import type { PointerStep, StepKind } from './types.ts';

export const pointer: StepKind<PointerStep> = {
  shape: tableOf({ kind, path, before: text, after: text, temporary: exactOptional(path) }),
  subject: (step) => step.path,
  describe: (step) => (step.after === 'absent' ? `remove ${step.path}` : `point ${step.path} at ${step.after}`),
  prepare: async () => ({}),
  apply: (host, step) => point(host, step, step.after),
  revert: async (host, step) => {
    for (const path of leftoversOf(step)) await dropTemporary(host, path);
    if ((await linkAt(host, step.path)) === step.after) await point(host, step, step.before);
  },
  look: async (host, step) => {
    const now = await linkAt(host, step.path);
    if (now === step.before) return 'before';
    return now === step.after ? 'after' : 'other';
  },
};

async function point(host: Host, { path, temporary }: PointerStep, target: string | 'absent'): Promise<void> {
  if (target === 'absent') return host.unlink(path);
  if (temporary === undefined) await host.symlink(path, target);
  else
    await viaTemporary(host, { path, temporary }, async (via) => {
      await host.symlink(via, target);
      await host.rename(via, path);
    });
  await host.relabel([path]);
}

function leftoversOf({ path, temporary }: PointerStep): HostPath[] {
  if (temporary === undefined) return [tempPathFor(path)];
  return temporariesOf({ path, temporary }).flatMap((each) => [each, tempPathFor(each)]);
}
