import type { IncomingMessage } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';

/** A client of a lab's API server, for what the program itself has none: many users, all verbs, watches. It keeps its connections. */
export interface Client {
  /** Gives the answer's body; throws an `ApiError` unless it is of the kind 2xx. */
  send<T>(method: string, path: string, more?: Sending): Promise<T>;
  /** All objects of a list, and then what becomes of them, until it is stopped. */
  watch(path: string, hear: (event: WatchEvent) => void): () => void;
  close(): void;
}

export interface Sending {
  body?: unknown;
  type?: keyof typeof types;
  /** The node whose kubelet asks: by impersonation, so that the server holds the request to what a kubelet may do. */
  kubelet?: string;
}

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: ApiObject;
}

export interface ApiObject {
  metadata: { name: string; uid: string; namespace?: string; resourceVersion: string };
}

export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, said: string) {
    super(`the API server answers ${status}: ${said.slice(0, 500)}`);
    this.status = status;
  }
}

const types = {
  json: 'application/json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const;

const answerMs = 60_000;

export function apiClient({ port, ca, token }: { port: number; ca: string; token: string }): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 48 });
  const ended = new AbortController();
  const ask = (method: string, path: string, { body, type = 'json', kubelet }: Sending, how: RequestOptions) => {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      ...(kubelet !== undefined && { 'impersonate-user': `system:node:${kubelet}`, 'impersonate-group': 'system:nodes' }),
      ...(bytes !== undefined && { 'content-type': types[type], 'content-length': bytes.length }),
    };
    return new Promise<IncomingMessage>((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, method, path, headers, ca, ...how }, resolve);
      asked.on('error', reject).on('timeout', () => asked.destroy(new Error(`${method} ${path}: no answer`)));
      asked.end(bytes);
    });
  };
  const send = async <T>(method: string, path: string, more: Sending = {}): Promise<T> => {
    const message = await ask(method, path, more, { agent, timeout: answerMs });
    const text = await whole(message);
    const status = message.statusCode ?? 0;
    if (status < 200 || status > 299) throw new ApiError(status, text);
    return JSON.parse(text) as T;
  };
  return {
    send,
    watch: (path, hear) => {
      const stopped = new AbortController();
      const signal = AbortSignal.any([ended.signal, stopped.signal]);
      void follow(path, hear, signal, send, (query) => ask('GET', query, {}, { signal, agent: false }));
      return () => stopped.abort();
    },
    close: () => {
      ended.abort();
      agent.destroy();
    },
  };
}

async function whole(message: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of message as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString();
}

interface List {
  metadata: { resourceVersion: string };
  items: ApiObject[];
}

/** Begins again with a list where the server ends a watch or is away: what went meanwhile is told as well. */
async function follow(
  path: string,
  hear: (event: WatchEvent) => void,
  signal: AbortSignal,
  send: Client['send'],
  open: (path: string) => Promise<IncomingMessage>,
): Promise<void> {
  const known = new Map<string, ApiObject>();
  const tell = (event: WatchEvent) => {
    if (event.type === 'DELETED') known.delete(event.object.metadata.uid);
    else known.set(event.object.metadata.uid, event.object);
    hear(event);
  };
  while (!signal.aborted) {
    try {
      const { metadata, items } = await send<List>('GET', path);
      const present = new Set(items.map((object) => object.metadata.uid));
      for (const [uid, object] of known) if (!present.has(uid)) tell({ type: 'DELETED', object });
      for (const object of items) tell({ type: known.has(object.metadata.uid) ? 'MODIFIED' : 'ADDED', object });
      for await (const event of eventsOf(await open(`${path}?watch=1&resourceVersion=${metadata.resourceVersion}`))) tell(event);
    } catch {
      await pause(500, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function* eventsOf(message: IncomingMessage): AsyncGenerator<WatchEvent> {
  let rest = '';
  message.setEncoding('utf8');
  for await (const part of message as AsyncIterable<string>) {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = JSON.parse(line) as WatchEvent | { type: 'ERROR' };
      if (event.type === 'ERROR') return;
      yield event;
    }
  }
}
