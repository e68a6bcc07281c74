import { realSocket } from '../../cri/index.ts';
import { KataError } from '../../errors/index.ts';
import { byBytes } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { EngineState, Instance, Sandbox } from '../types.ts';
import { ask } from './api.ts';
import { isTable } from './runtimes.ts';

/** A node with more containers than this is none that one change may take its time on. */
const maxContainers = 5_000;
const together = 16;
const limits = { small: 1024 * 1024, list: 64 * 1024 * 1024, container: 4 * 1024 * 1024 };

/**
 * What the running daemon says at its own API: `/info` lists handlers by name alone, so that their shims stay unknown. A daemon that does
 * not run is not asked, because systemd would start it for the asking.
 */
export async function probeDocker(host: HostView, { socket, process, unit }: Instance, timeoutMs: number): Promise<EngineState> {
  if (process === undefined) return unreachable(`${unit ?? 'its unit'} does not run`);
  const { path, why } = await realSocket(host, socket);
  if (path === undefined) return unreachable(why);
  const until = performance.now() + timeoutMs;
  const get = (url: string, maxBytes: number) =>
    ask({ socket: path, unit, path: url, timeoutMs: Math.max(1, Math.ceil(until - performance.now())), maxBytes });
  try {
    const [info, version] = [await get('/info', limits.small), await get('/version', limits.small)];
    const { running, stopped } = await containersOf(get);
    return {
      reachable: true,
      runtimeReady: true,
      version: isTable(version) && typeof version['Version'] === 'string' ? version['Version'].slice(0, 64) : undefined,
      handlers: handlersIn(info),
      sandboxes: running,
      stopped,
      effective: {},
    };
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    return unreachable(error.complaint.found);
  }
}

/**
 * Waits until the daemon says that it has read its files since `sinceMs`: a reload by a signal returns before, and the next change of the
 * files might be what it reads. What it did not take it does not say so of. In words why it did not; undefined when it did.
 */
export async function awaitReload(host: HostView, socket: HostPath, sinceMs: number, timeoutMs: number): Promise<string | undefined> {
  const { path, why } = await realSocket(host, socket);
  if (path === undefined) return why;
  const filters = encodeURIComponent(JSON.stringify({ type: ['daemon'], event: ['reload'] }));
  const url = `/events?since=${(sinceMs / 1000).toFixed(3)}&filters=${filters}`;
  try {
    await ask({ socket: path, path: url, timeoutMs, maxBytes: limits.small, firstLine: true });
    return undefined;
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    return `the daemon does not say that it has read its files again (${error.complaint.found})`;
  }
}

function unreachable(why: string): EngineState {
  return { reachable: false, why, runtimeReady: false, handlers: [], sandboxes: [], effective: {} };
}

function handlersIn(info: unknown): string[] {
  const runtimes = isTable(info) ? info['Runtimes'] : undefined;
  if (!isTable(runtimes)) throw odd('/info');
  return Object.keys(runtimes).sort(byBytes);
}

type Get = (url: string, maxBytes: number) => Promise<unknown>;

/** The list does not say which handler a container has: each one is asked for. */
async function containersOf(get: Get): Promise<{ running: Sandbox[]; stopped: Sandbox[] }> {
  const list = await get('/containers/json?all=1', limits.list);
  if (!Array.isArray(list)) throw odd('/containers/json');
  const ids = list.map((each: unknown) => (isTable(each) ? each['Id'] : undefined)).filter(isId);
  if (ids.length > maxContainers) throw odd('/containers/json', `lists more than ${maxContainers} containers`);
  const found: Sandbox[] = [];
  for (let at = 0; at < ids.length; at += together) {
    const some = await Promise.all(ids.slice(at, at + together).map((id) => containerOf(get, id)));
    found.push(...some.filter((each) => each !== undefined));
  }
  return { running: found.filter(({ ready }) => ready), stopped: found.filter(({ ready }) => !ready) };
}

/** undefined for one that is gone by now. */
async function containerOf(get: Get, id: string): Promise<Sandbox | undefined> {
  const seen = await get(`/containers/${id}/json`, limits.container).catch((error: unknown) => {
    if (error instanceof KataError && error.complaint.found.endsWith('its status is 404')) return undefined;
    throw error;
  });
  if (!isTable(seen)) return undefined;
  const { Name: name, HostConfig: config, State: state } = seen;
  const handler = isTable(config) ? config['Runtime'] : undefined;
  return {
    id,
    handler: typeof handler === 'string' ? handler : '',
    podName: typeof name === 'string' ? name.replace(/^\//, '').slice(0, 256) : '',
    podNamespace: '',
    ready: isTable(state) && (state['Running'] === true || state['Paused'] === true),
  };
}

function isId(id: unknown): id is string {
  return typeof id === 'string' && /^[0-9a-f]{64}$/.test(id);
}

function odd(path: string, what = 'is none that can be read'): KataError {
  return new KataError('failed', {
    subject: path,
    found: `Docker’s answer to ${path} ${what}`,
    needed: 'an answer of dockerd',
    next: 'docker info',
  });
}
