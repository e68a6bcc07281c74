import { type Engine, type EngineState, probeTimeouts, type Sandbox } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import type { Found } from '../planning/types.ts';

/** The engine needs the shim's binary to clean a sandbox up, so a handler must not go while one of its sandboxes is there. */
export function refuseInUse({ daemon }: Pick<Engine, 'daemon'>, { sandboxes }: EngineState, handlers: string[]): void {
  const running = sandboxes.filter((sandbox) => handlers.includes(sandbox.handler));
  if (running.length === 0) return;
  const { one, many, next } = daemon?.inUse ?? ofPods;
  throw new KataError('handler-in-use', {
    subject: handlers.join(', '),
    found: `${running.length} ${running.length === 1 ? one : many} of handlers that the change affects: ${running.map(named).join('; ')}`,
    needed: 'none',
    next,
    details: { sandboxes: running },
  });
}

/** The same before an archive is fetched and unpacked: a node of a fleet asks again and again until its pods have ended. */
export async function refuseInUseNow(host: HostView, engines: readonly Found[], handlers: string[]): Promise<void> {
  if (!host.live || handlers.length === 0) return;
  for (const { engine, instance, gone } of engines) {
    const state = gone === undefined ? await engine.daemon?.probe(host, instance, probeTimeouts.onceMs) : undefined;
    if (state?.reachable === true) refuseInUse(engine, state, handlers);
  }
}

/** What does not run needs no shim now; it cannot be started again without its handler. */
export function strandedFindings({ daemon }: Pick<Engine, 'daemon'>, { stopped = [] }: EngineState, handlers: string[]): Finding[] {
  const stranded = stopped.filter((each) => handlers.includes(each.handler));
  if (stranded.length === 0) return [];
  const { one, many } = daemon?.inUse ?? ofPods;
  const shown = stranded.slice(0, maxNamed).map(named).join('; ');
  return [
    {
      code: 'handler-stranded',
      level: 'warning',
      subject: handlers.join(', '),
      found: `${stranded.length} stopped ${stranded.length === 1 ? one : many} cannot be started without the handler that goes: ${shown}`,
      needed: 'nothing, if they are not needed any more',
      next: 'remove them, or make them again with another handler',
    },
  ];
}

const maxNamed = 10;

const ofPods = {
  one: 'sandbox',
  many: 'sandboxes',
  next: 'delete these pods (kubectl delete pod …, or crictl stopp and rmp), then run the command again',
};

function named({ podNamespace, podName, id, handler }: Sandbox): string {
  return `${podNamespace === '' ? '' : `${podNamespace}/`}${podName} (${id.slice(0, 12)}, ${handler})`;
}
