import type { Socket } from 'node:net';
import type { Message } from 'dbus-next';
import type createConnectionType from 'dbus-next/lib/connection.js';
import { KataError } from '../errors/index.ts';

/** libdbus and sd-bus wait 25 s for an answer as well. */
export const callDeadlineMs = 25_000;

export interface Call {
  destination?: string;
  path: string;
  interface: string;
  member: string;
  signature?: string;
  body?: unknown[];
}

export interface Signal {
  path: string;
  interface: string;
  member: string;
  body: unknown[];
}

/** One D-Bus connection. Every call ends: by its answer, by its deadline, or because the connection ended. Errors are KataErrors `failed`. */
export interface Wire {
  readonly open: boolean;
  call(call: Call, deadlineMs?: number): Promise<unknown[]>;
  /** Until the returned function is called. `lost` is called once if the connection ends before that. */
  listen(signal: (signal: Signal) => void, lost: (why: KataError) => void): () => void;
  close(): void;
}

type Connection = ReturnType<typeof createConnectionType>;

interface Pending {
  settle(answer: unknown[] | KataError): void;
}

/**
 * Connects to a socket. dbus-next's own MessageBus is not used: its calls never end when the connection drops, and its Hello, which PID 1's
 * private socket does not know, ends the process by an unhandled rejection (docs/facts/systemd.md#the-private-socket).
 */
export async function openWire(socket: string, deadlineMs: number = callDeadlineMs): Promise<Wire> {
  const { default: dbus } = await import('dbus-next');
  const { default: createConnection } = await import('dbus-next/lib/connection.js');
  // The undocumented form socket= goes to Node's net; path= would load the native module usocket.
  const connection = createConnection({ busAddress: `unix:socket=${socket}`, authMethods: ['EXTERNAL'] });
  const pending = new Map<string, Pending>();
  const listeners = new Set<{ signal(signal: Signal): void; lost(why: KataError): void }>();
  let serial = 0;
  let ended: KataError | undefined;

  const end = (why: string) => {
    if (ended) return;
    ended = failure(socket, why);
    for (const call of [...pending.values()]) call.settle(ended);
    for (const listener of [...listeners]) listener.lost(ended);
    listeners.clear();
    connection.stream.destroy();
  };
  connection.on('error', (error: unknown) => end(`the connection failed: ${error instanceof Error ? error.message : String(error)}`));
  connection.on('end', () => end('the other side closed the connection'));
  connection.stream.on('close', () => end('the connection was closed'));
  connection.on('message', (message: Message) => {
    if (message.type === dbus.MessageType.SIGNAL) for (const listener of [...listeners]) listener.signal(signalOf(message));
    const call = pending.get(String(message.replySerial));
    if (message.type === dbus.MessageType.METHOD_RETURN) call?.settle(message.body);
    if (message.type === dbus.MessageType.ERROR) call?.settle(answerError(message));
  });
  await handshake(connection, pending, deadlineMs, end);
  // A connection without a waiting call must not keep the process alive.
  connection.stream.unref();

  return {
    get open() {
      return ended === undefined;
    },
    async call(call, callMs = callDeadlineMs) {
      if (ended) throw ended;
      serial += 1;
      const message = { ...call, serial } as unknown as ConstructorParameters<typeof Message>[0];
      return answerTo(connection, pending, { key: String(serial), member: call.member, callMs }, () => new dbus.Message(message));
    },
    listen(signal, lost) {
      const listener = { signal, lost };
      if (ended) lost(ended);
      else listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      end('it was closed here');
    },
  };
}

function signalOf({ path = '', interface: face = '', member = '', body }: Message): Signal {
  return { path, interface: face, member, body };
}

/** Waits until the other side has taken the connection. */
function handshake(connection: Connection, pending: Map<string, Pending>, deadlineMs: number, end: (why: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(`no handshake within ${deadlineMs} ms`), deadlineMs);
    pending.set('connect', { settle: (answer) => finish(answer instanceof KataError ? answer : undefined) });
    connection.once('connect', () => {
      guardParser(connection.stream, (error) => end(`the answer cannot be read: ${String(error)}`));
      finish();
    });
    function finish(error?: KataError) {
      clearTimeout(timer);
      pending.delete('connect');
      if (error) reject(error);
      else resolve();
    }
  });
}

/** Sends a message and waits for its answer; only then the connection keeps the process alive. */
function answerTo(
  connection: Connection,
  pending: Map<string, Pending>,
  { key, member, callMs }: { key: string; member: string; callMs: number },
  message: () => Message,
): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(failure(member, `no answer within ${callMs} ms`)), callMs);
    const settle = (answer: unknown[] | KataError) => {
      clearTimeout(timer);
      pending.delete(key);
      if (pending.size === 0) connection.stream.unref();
      if (answer instanceof KataError) reject(answer);
      else resolve(answer);
    };
    pending.set(key, { settle });
    connection.stream.ref();
    try {
      connection.message(message());
    } catch (error) {
      settle(failure(member, error instanceof Error ? error.message : String(error)));
    }
  });
}

/**
 * dbus-next starts its parser right after 'connect', as a listener of the socket; what that throws at bytes that are no D-Bus would end the
 * process. Only what is added from now on is guarded: the handshake removes its own listeners.
 */
function guardParser(stream: Socket, broken: (error: unknown) => void): void {
  const add = stream.on.bind(stream) as (event: string, listener: (...args: unknown[]) => void) => Socket;
  const guarded = (event: string, listener: (...args: unknown[]) => void) =>
    add(event, (...args) => {
      try {
        listener.apply(stream, args);
      } catch (error) {
        broken(error);
      }
    });
  stream.on = guarded as typeof stream.on;
}

function answerError(message: Message): KataError {
  const [text] = message.body;
  return failure(message.errorName ?? 'error', typeof text === 'string' ? text : 'no text', message.errorName);
}

function failure(subject: string, why: string, dbusError?: string): KataError {
  return new KataError('failed', {
    subject,
    found: `D-Bus: ${subject}: ${why}.`,
    needed: 'An answer of systemd.',
    next: 'systemctl status shows whether systemd and the message bus are well.',
    details: { dbusError },
  });
}

/** The D-Bus name of the error that was answered, if one was. */
export function dbusErrorOf(error: unknown): string | undefined {
  const name = error instanceof KataError ? error.complaint.details?.['dbusError'] : undefined;
  return typeof name === 'string' ? name : undefined;
}
