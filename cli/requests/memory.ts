import { exactOptional } from 'valibot';
import { count, digest, listOf, moment, oneOf, type Shaped, tableOf, text } from '../documents/shapes.ts';
import type { Digest, Host, HostView } from '../host/index.ts';
import { ensureFolder, readJson, requestsFile, schema, stateFolder, writeJson } from '../store/index.ts';

/** What happened to a request. `engine` and `system`: as they were then. */
export type Attempt = Shaped<typeof attemptShape>;
const attemptShape = tableOf({
  request: digest,
  retry: count,
  /** began: its end was not written, so the node went down meanwhile. held: it was not begun, since the node had been away. */
  outcome: oneOf('began', 'done', 'failed', 'held'),
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
const memoryShape = tableOf({
  schema: count,
  attempts: listOf(attemptShape),
  /** When the node came back, the last time that it was away after a report. */
  awayUntil: exactOptional(moment),
});

const mostAttempts = 32;

export async function readMemory(host: HostView): Promise<Attempt[]> {
  return (await whole(host)).attempts;
}

export async function readAway(host: HostView): Promise<string | undefined> {
  return (await whole(host)).awayUntil;
}

export async function rememberAway(host: Host, awayUntil: string): Promise<void> {
  const before = await whole(host);
  if (before.awayUntil !== awayUntil) await write(host, { ...before, awayUntil });
}

async function whole(host: HostView): Promise<Memory> {
  return (await readJson(host, requestsFile, memoryShape)) ?? { schema, attempts: [] };
}

async function write(host: Host, memory: Memory): Promise<void> {
  await ensureFolder(host, stateFolder);
  await writeJson(host, requestsFile, memoryShape, memory, 0o644);
}

/** Replaces what was known of this request. */
export async function remember(host: Host, attempt: Attempt): Promise<void> {
  const before = await whole(host);
  const others = before.attempts.filter(({ request }) => request !== attempt.request);
  await replace(host, before, [...others, attempt].slice(-mostAttempts));
}

async function replace(host: Host, before: Memory, attempts: Attempt[]): Promise<void> {
  if (isSameMemory(before.attempts, attempts)) return;
  if (attempts.length === 0) return host.unlink(requestsFile);
  await write(host, { ...before, attempts });
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
  const now = await whole(host);
  const others = now.attempts.filter(({ request }) => request !== digest);
  const at = earlier.findIndex(({ request }) => request === digest);
  await replace(host, now, at < 0 ? others : [...others.slice(0, at), earlier[at]!, ...others.slice(at)]);
}

/** Of a request that is over and done with. */
export async function forget(host: Host, digest: Digest): Promise<void> {
  const before = await whole(host);
  const attempts = before.attempts.filter(({ request }) => request !== digest);
  if (attempts.length === 0) return host.unlink(requestsFile);
  await replace(host, before, attempts);
}

export function attemptAt(attempts: readonly Attempt[], request: Digest): Attempt | undefined {
  return attempts.find((attempt) => attempt.request === request);
}

/** Of a node that has nothing and wants nothing. */
export function forgetAll(host: Host): Promise<void> {
  return host.unlink(requestsFile);
}
