import { KataError } from '../errors/index.ts';
import type { Step } from './types.ts';

export type { Step } from './types.ts';

/** What the containers of a node pod run, by name: each is loaded when it runs. */
const steps: Record<string, () => Promise<Step>> = {
  ready: async () => (await import('./steps/ready.ts')).run,
  change: async () => (await import('./steps/change.ts')).change,
  label: async () => (await import('./steps/label.ts')).run,
  unlabel: async () => (await import('./steps/unlabel.ts')).run,
  feature: async () => (await import('./steps/feature.ts')).run,
  unfeature: async () => (await import('./steps/unfeature.ts')).run,
  withdraw: async () => (await import('./steps/withdraw.ts')).run,
};

const stepNames: readonly string[] = Object.keys(steps);

/** The step of this name. Throws `usage`. */
export async function stepCalled(name: string): Promise<Step> {
  const load = Object.hasOwn(steps, name) ? steps[name] : undefined;
  if (load !== undefined) return load();
  throw new KataError('usage', {
    subject: name,
    found: `node-pod has no step ${name}`,
    needed: `one of: ${stepNames.join(', ')}`,
    next: 'kata-sysext node-pod --help',
  });
}
