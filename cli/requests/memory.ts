import { exactOptional } from 'valibot';
import { count, digest, listOf, oneOf, type Shaped, tableOf, text } from '../documents/shapes.ts';
import type { Digest, Host, HostView } from '../host/index.ts';
import { ensureFolder, readJson, requestsFile, schema, stateFolder, writeJson } from '../store/index.ts';

/** What happened to a request. `engine` and `system`: as they were then. */
export type Attempt = Shaped<typeof attemptShape>;
const attemptShape = tableOf({
  request: digest,
  retry: count,
  /** began: its end was not written, so the node went down meanwhile. */
  outcome: oneOf('began', 'done', 'failed'),
  code: exactOptional(text),
  reason: exactOptional(text),
  engine: text,
  system: text,
  /** How often engines were restarted for it. */
  restarts: count,
  /** How often it began and its end was not written. */
  interrupted: exactOptional(count),
  /** The generation that it made or found. */
  generation: exactOptional(count),
});

/** The newest attempt comes last; of a request there is one. */
export type Memory = Shaped<typeof memoryShape>;
const memoryShape = tableOf({ schema: count, attempts: listOf(attemptShape) });

const mostAttempts = 32;

export async function readMemory(host: HostView): Promise<Attempt[]> {
  return (await readJson(host, requestsFile, memoryShape))?.attempts ?? [];
}

/** Replaces what was known of this request. */
export async function remember(host: Host, attempt: Attempt): Promise<void> {
  const before = await readMemory(host);
  const others = before.filter(({ request }) => request !== attempt.request);
  await replace(host, before, [...others, attempt].slice(-mostAttempts));
}

async function replace(host: Host, before: readonly Attempt[], after: readonly Attempt[]): Promise<void> {
  if (isSameMemory(before, after)) return;
  if (after.length === 0) return host.unlink(requestsFile);
  await ensureFolder(host, stateFolder);
  await writeJson(host, requestsFile, { schema, attempts: [...after] } as Memory, 0o644);
}

export function isSameMemory(one: readonly Attempt[], other: readonly Attempt[]): boolean {
  return JSON.stringify(one.map(inOrder)) === JSON.stringify(other.map(inOrder));
}

function inOrder(attempt: Attempt): [string, unknown][] {
  return Object.entries(attempt)
    .filter(([, value]) => value !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1));
}

/** A request that was not begun after all is known as in `earlier`, at its place there. What others remembered meanwhile stays. */
export async function recall(host: Host, digest: Digest, earlier: readonly Attempt[] = []): Promise<void> {
  const now = await readMemory(host);
  const others = now.filter(({ request }) => request !== digest);
  const at = earlier.findIndex(({ request }) => request === digest);
  await replace(host, now, at < 0 ? others : [...others.slice(0, at), earlier[at]!, ...others.slice(at)]);
}

/** Of a request that is over and done with. */
export function forget(host: Host, digest: Digest): Promise<void> {
  return recall(host, digest);
}

export function attemptAt(attempts: readonly Attempt[], request: Digest): Attempt | undefined {
  return attempts.find((attempt) => attempt.request === request);
}
