import { errnoOf, KataError } from '../errors/index.ts';
import { textAt } from './values.ts';

const maxWords = 300;

export function unreachable(host: string, why: unknown): KataError {
  const words = typeof why === 'string' ? why : (errnoOf(why) ?? (why instanceof Error ? why.message : String(why)));
  return new KataError('cluster-unreachable', {
    subject: host,
    found: `the API server ${host} cannot be asked (${short(words)})`,
    needed: 'an API server that answers',
    next: 'kubectl get --raw /readyz',
    cause: why,
  });
}

export function unreadable(subject: string, found: string): KataError {
  return new KataError('cluster-answer', {
    subject,
    found: `the API server answers with ${found}`,
    needed: 'an answer as the Kubernetes API has it',
    next: 'kubectl get --raw /version',
  });
}

/** What a status other than 2xx means. `details.status` has it as a number. */
export function withStatus(status: number, method: string, path: string, body: unknown): KataError {
  const { verb, resource, group, namespace } = asked(method, path);
  const said = short(textAt(body, 'message') ?? '');
  const place = namespace === undefined ? '' : ` in namespace ${namespace}`;
  const denied = status === 401 || status === 403;
  const named = `${resource}${group === '' ? '' : `.${group}`}`;
  return new KataError('cluster-refused', {
    subject: named,
    found: `the API server refuses to ${verb} ${named}${place}: status ${status}${said === '' ? '' : ` (${said})`}`,
    needed: denied ? `the right to ${verb} ${named}${place}` : 'an API server that does what it is asked for',
    next: `kubectl auth can-i ${verb} ${named}${namespace === undefined ? '' : ` -n ${namespace}`}`,
    details: { status },
  });
}

/** Verb and resource as RBAC names them: '/api/v1/namespaces/x/pods' → list pods in x. */
function asked(method: string, path: string): { verb: string; resource: string; group: string; namespace?: string } {
  const parts = path.split('/').filter((part) => part !== '');
  const group = parts[0] === 'apis' ? (parts[1] ?? '') : '';
  const rest = parts.slice(parts[0] === 'apis' ? 3 : 2);
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2;
  const [resource = path, name] = inNamespace ? rest.slice(2) : rest;
  const verb = method === 'PATCH' ? 'patch' : name === undefined ? 'list' : 'get';
  return { verb, resource, group, ...(inNamespace && { namespace: rest[1]! }) };
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > maxWords ? `${line.slice(0, maxWords)}…` : line;
}
