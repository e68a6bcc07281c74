import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** Requests in the time between, by who asked. */
export interface Asked {
  /** Those of the program, with the token of a node pod: by node. */
  program: Map<string, number>;
  /** Those that a kubelet sends because of a node pod, by its stand-in: all of them by what is done. */
  kubelets: Map<string, number>;
  /** All others, by user. */
  others: Map<string, number>;
}

interface AuditEvent {
  verb: string;
  stageTimestamp: string;
  user: { username: string; extra?: Record<string, string[]> };
  impersonatedUser?: { username: string };
  objectRef?: { resource: string; subresource?: string };
}

const program = 'system:serviceaccount:kata-sysext:kata-sysext';

/** What an audit log has of the time between two moments, in milliseconds since 1970. */
export async function askedBetween(auditLog: string, from: number, to: number): Promise<Asked> {
  const asked: Asked = { program: new Map(), kubelets: new Map(), others: new Map() };
  const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  for await (const line of createInterface({ input: createReadStream(auditLog) })) {
    const event = JSON.parse(line) as AuditEvent;
    const at = Date.parse(event.stageTimestamp);
    if (at < from || at > to) continue;
    const { verb, user, impersonatedUser, objectRef: { resource = '', subresource = '' } = {} } = event;
    if (user.username === program) count(asked.program, user.extra?.['authentication.kubernetes.io/node-name']?.[0] ?? 'no node');
    else if (impersonatedUser?.username.startsWith('system:node:') === true)
      count(asked.kubelets, [verb, resource, subresource].filter(Boolean).join(' '));
    else count(asked.others, user.username);
  }
  return asked;
}

export function sumOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, one) => sum + one, 0);
}
