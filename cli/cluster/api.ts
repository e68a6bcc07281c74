import { type Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { type RequestOptions, request as requestHttps } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { parseJson } from '../documents/index.ts';
import { KataError } from '../errors/index.ts';
import { unreachable, unreadable, withStatus } from './complaints.ts';

/** How an API server is reached, and as whom. */
export interface Access {
  /** 'https://HOST:PORT', with a path where a proxy has one. */
  server: string;
  tls: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;
  agent?: HttpAgent | undefined;
  /** Names in small letters; asked for each request, because a token may have been replaced. */
  headers: Record<string, string> | (() => Promise<Record<string, string>>);
}

export interface Asking {
  query?: Record<string, string>;
  /** Another form of the answer than plain JSON. */
  accept?: string;
}

/** The body types of a PATCH: RFC 7386 and RFC 6902. */
const patchTypes = { merge: 'application/merge-patch+json', json: 'application/json-patch+json' } as const;

/** A few requests to one API server. Each answers with the JSON of the body, objects without a prototype, and none of it is to be trusted. */
export interface ApiServer {
  /** Throws `cluster-unreachable`, `cluster-refused`, `cluster-answer`. */
  get(path: string, asking?: Asking): Promise<unknown>;
  patch(path: string, type: keyof typeof patchTypes, body: unknown): Promise<unknown>;
}

export interface Limits {
  /** Of a whole request. */
  answerMs: number;
  maxBytes: number;
  /** How often a GET is tried again where the server is busy or away for a moment. */
  tries: number;
}

/** A page of 500 pods has about 5 MB. */
const usualLimits: Limits = { answerMs: 30_000, maxBytes: 32 * 1024 * 1024, tries: 3 };
const maxValues = 2_000_000;

/** 429: the server limits requests; the others: it starts, ends, or is behind a proxy that does not reach it. */
const passing = [429, 502, 503, 504];

export function apiServer(access: Access, signal?: AbortSignal, limits: Limits = usualLimits): ApiServer {
  return {
    get: async (path, asking = {}) => {
      for (let tries = 1; ; tries++) {
        const answer = await once(access, { method: 'GET', path: withQuery(path, asking.query), accept: asking.accept }, limits, signal);
        if (!passing.includes(answer.status) || tries >= limits.tries) return understood(answer, 'GET', path);
        await pause(Math.min(answer.retryMs ?? 1000 * tries, 10_000), undefined, { signal });
      }
    },
    patch: async (path, type, body) => {
      const sent = { type: patchTypes[type], bytes: Buffer.from(JSON.stringify(body)) };
      return understood(await once(access, { method: 'PATCH', path, body: sent }, limits, signal), 'PATCH', path);
    },
  };
}

interface Sent {
  method: string;
  path: string;
  accept?: string | undefined;
  body?: { type: string; bytes: Buffer };
}

interface Answer {
  status: number;
  retryMs: number | undefined;
  bytes: Buffer;
}

function withQuery(path: string, query: Record<string, string> = {}): string {
  const text = new URLSearchParams(query).toString();
  return text === '' ? path : `${path}?${text}`;
}

/** One request to its end. Redirects are not followed: they would carry the token to another server. */
async function once(
  { server, tls, agent, headers }: Access,
  { method, path, accept, body }: Sent,
  limits: Limits,
  signal?: AbortSignal,
): Promise<Answer> {
  const url = new URL(`${server.replace(/\/+$/, '')}${path}`);
  const request = url.protocol === 'http:' ? requestHttp : requestHttps;
  const all = {
    accept: accept ?? 'application/json',
    'accept-encoding': 'identity',
    'user-agent': 'kata-sysext',
    ...(body !== undefined && { 'content-type': body.type, 'content-length': String(body.bytes.length) }),
    ...(typeof headers === 'function' ? await headers() : headers),
  };
  const until = AbortSignal.any([AbortSignal.timeout(limits.answerMs), ...(signal === undefined ? [] : [signal])]);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      if (signal?.aborted === true) reject(signal.reason as Error);
      else if (error instanceof KataError) reject(error);
      else reject(unreachable(url.host, until.aborted ? `no answer within ${limits.answerMs / 1000} s` : error));
    };
    const asked = request(url, { method, headers: all, signal: until, ...tls, agent });
    // Stays for good: a connection may break after its answer as well.
    asked.on('error', fail);
    asked.once('response', (message) => whole(message, limits.maxBytes, url.host).then(resolve, fail));
    asked.end(body?.bytes);
  });
}

async function whole(message: IncomingMessage, maxBytes: number, host: string): Promise<Answer> {
  const parts: Buffer[] = [];
  let total = 0;
  for await (const part of message as AsyncIterable<Buffer>) {
    total += part.length;
    if (total > maxBytes) throw unreadable(host, `an answer of more than ${maxBytes} bytes`);
    parts.push(part);
  }
  const seconds = /^\d{1,4}$/.exec(message.headers['retry-after'] ?? '')?.[0];
  return {
    status: message.statusCode ?? 0,
    retryMs: seconds === undefined ? undefined : Number(seconds) * 1000,
    bytes: Buffer.concat(parts),
  };
}

function understood({ status, bytes }: Answer, method: string, path: string): unknown {
  let value: unknown;
  try {
    value = parseJson(bytes.toString(), { maxBytes: usualLimits.maxBytes, maxValues });
  } catch (error) {
    if (status >= 200 && status < 300) throw unreadable(path, `what is no JSON of an API server (${(error as Error).message})`);
  }
  if (status >= 200 && status < 300) return value;
  throw withStatus(status, method, path, value);
}
