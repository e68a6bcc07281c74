import type { EngineState } from '../engines/index.ts';
import { KataError } from '../errors/index.ts';

/** The engine needs the shim's binary to clean a sandbox up, so a handler must not go while one of its sandboxes is there. */
export function refuseInUse({ sandboxes }: EngineState, handlers: string[]): void {
  const running = sandboxes.filter((sandbox) => handlers.includes(sandbox.handler));
  if (running.length === 0) return;
  const list = running.map((sandbox) => `${sandbox.podNamespace}/${sandbox.podName} (${sandbox.id.slice(0, 12)}, ${sandbox.handler})`);
  throw new KataError('handler-in-use', {
    subject: handlers.join(', '),
    found: `${running.length} ${running.length === 1 ? 'sandbox' : 'sandboxes'} of our handlers: ${list.join('; ')}`,
    needed: 'none',
    next: 'delete these pods (kubectl delete pod …, or crictl stopp and rmp), then run the command again',
    details: { sandboxes: running },
  });
}
