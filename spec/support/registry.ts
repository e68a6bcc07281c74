import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DebianTools } from '../lab/debianTools.ts';
import { type Answerer, authority, serveTls, type TlsServer } from './tlsServer.ts';

const tls = (name: string) => join(import.meta.dirname, 'tls', name);

export interface Registry {
  /** 'localhost:PORT' */
  host: string;
  /** Requests for a token. */
  tokens: TlsServer['seen'];
  close(): Promise<void>;
}

/** Who may read where a registry asks for a name and a password: bcrypt, the only form that distribution's registry takes. */
export const reader = { name: 'anna', password: 'Sesame-15' };
const passwords = `${reader.name}:$2b$05$abcdefghijklmnopqrstuuW53H8ye.8XVxrV2puyJtYlwZZpF5IMm\n`;

interface RegistryOptions {
  /** Only who has a token of its token server may read. */
  token?: boolean;
  /** The token server gives one to `reader` only. */
  named?: boolean;
  /** The registry itself asks for a name and a password. */
  basic?: boolean;
}

/** distribution's registry on loopback, with the files of a folder. */
export async function startRegistry(
  { registry }: DebianTools,
  folder: string,
  { token = false, named = false, basic = false }: RegistryOptions = {},
): Promise<Registry> {
  const files = join(folder, 'files');
  mkdirSync(files, { recursive: true });
  const wanted = `Basic ${Buffer.from(`${reader.name}:${reader.password}`).toString('base64')}`;
  const give: Answerer = ({ headers }, response) =>
    named && headers.authorization !== wanted
      ? response.writeHead(401, { 'www-authenticate': 'Basic realm="spec"' }).end()
      : response.end(JSON.stringify({ token: readToken() }));
  const tokens = token ? await serveTls(give) : undefined;
  const htpasswd = join(folder, 'htpasswd');
  writeFileSync(htpasswd, passwords);
  const config = join(folder, 'registry.json');
  const auth = tokens && { token: { realm: `${tokens.origin}/token`, service: 'registry', issuer: 'spec', rootcertbundle: authority } };
  // YAML has JSON inside it.
  writeFileSync(
    config,
    JSON.stringify({
      version: '0.1',
      storage: { filesystem: { rootdirectory: files } },
      http: { addr: '127.0.0.1:0', tls: { certificate: tls('server.pem'), key: tls('server.key') } },
      ...(auth && { auth }),
      ...(basic && { auth: { htpasswd: { realm: 'spec', path: htpasswd } } }),
    }),
  );
  const [program = '', ...args] = registry;
  const child = spawn(program, [...args, 'serve', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const port = await portOf(child);
  return {
    host: `localhost:${port}`,
    tokens: tokens?.seen ?? [],
    close: async () => {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
      await tokens?.close();
    },
  };
}

/** The line 'listening on 127.0.0.1:PORT, tls'. */
function portOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const take = (piece: Buffer) => {
      said += piece.toString();
      const [, port] = /listening on 127\.0\.0\.1:(\d+)/.exec(said) ?? [];
      if (port !== undefined) resolve(port);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the registry ended: ${said}`)));
  });
}

/** A JSON Web Token that lets everybody read, signed with the servers' key (distribution’s “Token Authentication Implementation”). */
function readToken(): string {
  const certificate = readFileSync(tls('server.pem'), 'utf8').replaceAll(/-----[A-Z ]+-----|\s/g, '');
  const now = Math.floor(Date.now() / 1000);
  const access = [{ type: 'repository', name: 'team/kata', actions: ['pull'] }];
  const claims = { iss: 'spec', sub: '', aud: 'registry', exp: now + 3600, nbf: now - 60, iat: now, jti: randomUUID(), access };
  const text = [{ typ: 'JWT', alg: 'ES256', x5c: [certificate] }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign('sha256', Buffer.from(text), { key: readFileSync(tls('server.key')), dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}
