import type { RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { Access } from '../cluster/api.ts';
import { errnoOf, KataError } from '../errors/index.ts';
import { readOwned } from '../host/index.ts';
import { oneLine } from '../requests/index.ts';

interface Place {
  /** --kubeconfig */
  named: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}

/**
 * How the cluster of the current context is reached, as kubectl finds it: --kubeconfig, else the files of KUBECONFIG, else ~/.kube/config.
 * Certificates, tokens and credential plugins are the library's part. Throws `kubeconfig-unfit`.
 */
export async function kubeconfigAccess(place: Place, signal?: AbortSignal): Promise<Access> {
  // Deep: the rest of the library is clients of every API of Kubernetes, of which nothing is needed.
  const { KubeConfig: Config } = await import('@kubernetes/client-node/dist/config.js');
  const paths = pathsOf(place);
  let all: KubeConfig | undefined;
  for (const path of paths) {
    const text = await readOwn(path);
    // kubectl leaves out a file of KUBECONFIG that is missing.
    if (text === undefined && (place.named !== undefined || paths.length === 1)) throw unfit(path, `${path} is not there`);
    if (text === undefined) continue;
    const one = parsed(new Config(), path, text);
    try {
      if (all === undefined) all = one;
      else all.mergeConfig(one, true);
    } catch (error) {
      throw unfit(path, `${path} cannot be merged (${wordsOf(error)})`);
    }
  }
  if (all === undefined) throw unfit('KUBECONFIG', 'none of the files that KUBECONFIG names is there');
  return accessOf(all, paths.join(delimiter), signal);
}

function pathsOf({ named, env, cwd }: Place): string[] {
  if (named !== undefined) return [resolve(cwd, named)];
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  return listed.length > 0 ? listed.map((path) => resolve(cwd, path)) : [join(env['HOME'] ?? homedir(), '.kube/config')];
}

/**
 * A kubeconfig says which programs are run and which files are sent to which server, all with the rights of the one who uses it. So it has
 * to be that user's own, or root's.
 */
async function readOwn(path: string): Promise<string | undefined> {
  try {
    return (await readOwned(path, 'configuration', 'change')).toString();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    if (!(error instanceof KataError)) throw unfit(path, `${path} cannot be read (${errnoOf(error) ?? wordsOf(error)})`);
    throw new KataError('kubeconfig-unfit', {
      subject: path,
      found: error.complaint.found,
      needed: `${error.complaint.needed}: it may name programs to run and files to send`,
      next: `read it, and then: install -m 600 ${path} ~/kubeconfig; kata-sysext status --fleet --kubeconfig ~/kubeconfig`,
    });
  }
}

function parsed(config: KubeConfig, path: string, text: string): KubeConfig {
  try {
    config.loadFromString(text);
    config.makePathsAbsolute(dirname(path));
    return config;
  } catch (error) {
    // The message of the reader quotes the text, which has secrets.
    const mark = error instanceof Error && 'mark' in error ? (error.mark as { line?: unknown } | undefined) : undefined;
    const line = typeof mark?.line === 'number' ? ` at line ${mark.line + 1}` : '';
    throw unfit(path, `${path} is no kubeconfig${line}`);
  }
}

const credentialsMs = 60_000;

async function accessOf(config: KubeConfig, path: string, signal?: AbortSignal): Promise<Access> {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined || !URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol))
    throw unfit(path, `${path}: the current context names no cluster with an address`);
  const options: RequestOptions = { headers: {} };
  try {
    await within(config.applyToHTTPSOptions(options), signal);
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw unfit(path, `${path}: the credentials of the current context cannot be had (${wordsOf(error)})`);
  }
  const { ca, cert, key, rejectUnauthorized, auth, agent, headers = {} } = options;
  const servername = (options as { servername?: string }).servername;
  return {
    server,
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(servername !== undefined && { servername }),
      ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    },
    agent: typeof agent === 'object' ? agent : undefined,
    headers: {
      ...(typeof auth === 'string' && { authorization: `Basic ${Buffer.from(auth).toString('base64')}` }),
      ...Object.fromEntries(
        Object.entries(headers).flatMap(([name, value]) => (typeof value === 'string' ? [[name.toLowerCase(), value]] : [])),
      ),
    },
  };
}

/** A plugin may wait for a person, but not for ever. */
function within<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`nothing within ${credentialsMs / 1000} s`)), credentialsMs);
    const stop = () => reject(signal?.reason as Error);
    signal?.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => {
      clearTimeout(late);
      signal?.removeEventListener('abort', stop);
    });
  });
}

function wordsOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}

function unfit(path: string, found: string): KataError {
  return new KataError('kubeconfig-unfit', {
    subject: path,
    found,
    needed: 'a kubeconfig that kubectl can use',
    next: 'kata-sysext status --fleet --kubeconfig FILE',
  });
}
