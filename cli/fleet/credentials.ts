import { type ChildProcessByStdio, type SpawnOptions, spawn } from 'node:child_process';
import type { RequestOptions } from 'node:https';
import type { Readable } from 'node:stream';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { Access } from '../cluster/api.ts';
import { commandWord, errnoOf } from '../errors/index.ts';
import { readRegular } from '../host/regular.ts';
import { unfit, wordsOf } from './complaints.ts';
import type { User } from './kubeconfigFile.ts';

interface Options {
  /** As messages say it. */
  path: string;
  signal: AbortSignal | undefined;
  waitMs: number;
}

/** How the cluster of the current context is reached, and as whom. Throws `kubeconfig-unfit`. */
export async function accessOf(config: KubeConfig, { path, signal, waitMs }: Options): Promise<Access> {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined || !URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol))
    throw unfit(path, `${path}: the current context names no cluster with an address`);
  await readToken(config.getCurrentUser() as User | null, path);
  const options: RequestOptions = { headers: {} };
  const endPlugins = watchPlugins(config);
  try {
    await within(config.applyToHTTPSOptions(options), waitMs, signal);
  } catch (error) {
    endPlugins();
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

/** As kubectl has it, what the file of a user has counts before the token beside it, which counts where the file cannot be read. */
async function readToken(user: User | null, path: string): Promise<void> {
  if (user?.tokenFile === undefined) return;
  const { tokenFile } = user;
  const read = await readRegular(tokenFile, 'credentials', { follow: true }).then(
    (content) => ({ token: content.toString().trim(), why: 'it is empty' }),
    (error: unknown) => ({ token: '', why: errnoOf(error) ?? wordsOf(error) }),
  );
  if (read.token !== '') user.token = read.token;
  else if (!user.token)
    throw unfit(path, `${path}: the token file ${tokenFile} cannot be used (${read.why})`, `ls -lL ${commandWord(tokenFile)}`);
}

type Plugin = ChildProcessByStdio<null, Readable, Readable>;

/**
 * Has the library start credential plugins without input and in a group of their own, so that what they started is killed with them. Gives
 * what kills those that run; an end of this process does it as well.
 */
function watchPlugins(config: KubeConfig): () => void {
  const running = new Set<Plugin>();
  const end = (): void => {
    for (const plugin of running) {
      killGroup(plugin.pid);
      // Who left the group may still hold the output: nothing waits for that.
      plugin.stdout.destroy();
      plugin.stderr.destroy();
    }
  };
  const start = (command: string, args: string[] | undefined, options: SpawnOptions): Plugin => {
    const plugin = spawn(command, args ?? [], { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true }) as Plugin;
    running.add(plugin);
    process.once('exit', end);
    plugin.once('close', () => {
      running.delete(plugin);
      process.off('exit', end);
    });
    return plugin;
  };
  // Private in its types; the class is the library's only one that starts programs of a kubeconfig by `execFn`.
  for (const each of (config as unknown as { authenticators: object[] }).authenticators) if ('execFn' in each) each.execFn = start;
  return end;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

/** A plugin may wait for a person, but not for ever. */
function within<T>(work: Promise<T>, waitMs: number, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`nothing within ${waitMs / 1000} s`)), waitMs);
    const stop = () => reject(signal?.reason as Error);
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted === true) stop();
    work.then(resolve, reject).finally(() => {
      clearTimeout(late);
      signal?.removeEventListener('abort', stop);
    });
  });
}
