import { refusedKeys } from '../documents/index.ts';
import { handlerTable, installedName } from '../layout/index.ts';

/** Kubernetes' rule for the handler of a RuntimeClass: a DNS label, not a subdomain (docs/facts/kubernetes.md#names-of-handlers). */
export const aliasLabel = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export function isHandlerName(name: string): boolean {
  return handlerTable.handlers.some((row) => row.name === name || installedName(row.name) === name);
}

/** Whether a handler that is none of the release's may be called so; which names an engine keeps for itself is asked elsewhere. */
export function isAliasName(name: string): boolean {
  return aliasLabel.test(name) && !refusedKeys.has(name) && !isHandlerName(name);
}
