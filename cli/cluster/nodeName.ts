import type { HostView } from '../host/index.ts';
import { missing } from './inCluster.ts';

/** The name of the own node, as the pod's downward API gives it. Throws `node-pod-environment`: it becomes a part of a path. */
export function nodeName({ env }: HostView): string {
  const name = env['NODE_NAME'] ?? '';
  if (!/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(name) || name.includes('..')) throw missing('NODE_NAME', 'the name of a node');
  return name;
}
