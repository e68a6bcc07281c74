import type { StatusAnswer } from './shapes.ts';

/** Whether the engine can give a pod a network of its own: without a CNI configuration it says no. `why` is the engine's own reason. */
export function networkReady({ status }: StatusAnswer): { ready: boolean; why: string } {
  const condition = status?.conditions.find(({ type }) => type === 'NetworkReady');
  if (condition === undefined) return { ready: true, why: '' };
  return { ready: condition.status, why: condition.message === '' ? condition.reason : condition.message };
}
