import { type EffectiveHandlers, openCri, type PodSandbox, realSocket, type StatusAnswer } from '../../cri/index.ts';
import { KataError } from '../../errors/index.ts';
import { byBytes } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { EngineState, Sandbox } from '../types.ts';

/**
 * What the CRI at this socket says of itself; never throws for an engine that does not answer.
 *
 * @param handlersIn what the engine's own `info` of the verbose Status says of its handlers
 */
export async function probeCri(
  host: HostView,
  socket: HostPath | undefined,
  handlersIn: (info: Record<string, string>) => EffectiveHandlers,
  timeoutMs: number,
): Promise<EngineState> {
  const { path, why } = await realSocket(host, socket);
  if (path === undefined) return unreachable(why);
  const cri = await openCri(path, timeoutMs);
  try {
    const version = await cri.version();
    const [status, sandboxes] = await Promise.all([cri.status(true), cri.listSandboxes()]);
    const effective = handlersIn(status.info);
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
