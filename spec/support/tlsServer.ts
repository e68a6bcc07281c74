import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

const file = (name: string): string => fileURLToPath(new URL(`tls/${name}`, import.meta.url));

/** The authority that signed the certificate of every server here. Its own key is gone. */
export const authority = file('ca.pem');

export type Answerer = (request: IncomingMessage, response: ServerResponse, count: number) => unknown;

export interface TlsServer {
  /** 'https://localhost:PORT' */
  origin: string;
  port: number;
  /** Of each request, in order. */
  seen: { path: string; range: string | undefined; authorization: string | undefined }[];
  close(): Promise<void>;
}

/** An https server on loopback that answers as it is told. */
export async function serveTls(answer: Answerer): Promise<TlsServer> {
  const seen: TlsServer['seen'] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ key: readFileSync(file('server.key')), cert: readFileSync(file('server.pem')) }, (request, response) => {
    seen.push({ path: request.url ?? '', range: request.headers.range, authorization: request.headers.authorization });
    response.on('error', () => undefined);
    answer(request, response, seen.length);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `https://localhost:${port}`,
    port,
    seen,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers as a good server does: with the part that is asked for. */
export function sendFile(
  bytes: Buffer,
  { headers = {}, ranges = true }: { headers?: Record<string, string>; ranges?: boolean } = {},
): Answerer {
  return (request, response) => {
    const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    if (asked === null || !ranges) {
      response.writeHead(200, { 'content-length': bytes.length, ...headers });
      return response.end(bytes);
    }
    const from = Number(asked[1]);
    if (from >= bytes.length) return response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    response.writeHead(206, {
      'content-length': bytes.length - from,
      'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
      ...headers,
    });
    return response.end(bytes.subarray(from));
  };
}
