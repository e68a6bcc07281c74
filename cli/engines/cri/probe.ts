import { KataError } from '../../errors/index.ts';
import { byBytes } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { EngineState, Sandbox } from '../types.ts';
import { openCri } from './client.ts';
import { handlersInInfo } from './info.ts';
import type { PodSandbox, StatusAnswer } from './shapes.ts';

/** sun_path of a Unix socket has 108 bytes with its final zero. */
const longestSocketPath = 107;

/** What the CRI at this socket says of itself; never throws for an engine that does not answer. */
export async function probeCri(host: HostView, socket: HostPath, timeoutMs: number): Promise<EngineState> {
  const { path, why } = await realSocket(host, socket);
  if (path === undefined) return unreachable(why);
  const cri = await openCri(path, timeoutMs);
  try {
    const version = await cri.version();
    const [status, sandboxes] = await Promise.all([cri.status(true), cri.listSandboxes()]);
    const effective = handlersInInfo(status.info);
    const named = status.runtime_handlers.map((handler) => handler.name).filter((name) => name !== '');
    return {
      reachable: true,
      runtimeReady: isReady(status),
      version: version.runtime_version,
      handlers: [...new Set([...named, ...Object.keys(effective)])].sort(byBytes),
      sandboxes: sandboxes.map(asSandbox),
      effective,
    };
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    return unreachable(error.message);
  } finally {
    cri.close();
  }
}

/** The path of a socket on this machine, or why it cannot be called. */
export async function realSocket(host: HostView, socket: HostPath): Promise<{ path: string; why?: never } | { path?: never; why: string }> {
  const path = await host.locate(await host.realpath(socket));
  if (!(await host.stat(socket))) return { why: `There is no socket ${socket}.` };
  return Buffer.byteLength(path) > longestSocketPath ? { why: `The path of the socket ${path} is too long.` } : { path };
}

function unreachable(why: string): EngineState {
  return { reachable: false, why, runtimeReady: false, handlers: [], sandboxes: [], effective: {} };
}

function isReady({ status }: StatusAnswer): boolean {
  return status?.conditions.some((condition) => condition.type === 'RuntimeReady' && condition.status) ?? false;
}

function asSandbox(sandbox: PodSandbox): Sandbox {
  return {
    id: sandbox.id,
    handler: sandbox.runtime_handler,
    podName: sandbox.metadata?.name ?? '',
    podNamespace: sandbox.metadata?.namespace ?? '',
    ready: sandbox.state === 'SANDBOX_READY',
  };
}
