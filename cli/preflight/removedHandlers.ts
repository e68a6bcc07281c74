import type { Engine, EngineState, Sandbox, WiringPlan } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import type { GenerationManifest } from '../store/index.ts';

/**
 * Names of handlers and aliases that the change removes, or points at another shim or another handler: the engine would clean up their
 * sandboxes with the wrong program.
 */
export function removedHandlerNames(before: string[], from: GenerationManifest | undefined, to: GenerationManifest | undefined): string[] {
  return before.filter((name) => servedBy(to, name) === undefined || servedBy(to, name) !== servedBy(from, name));
}

function servedBy(manifest: GenerationManifest | undefined, name: string): string | undefined {
  const handler = manifest?.handlers.find((each) => each.name === (manifest.choices.aliases[name] ?? name));
  return handler === undefined ? undefined : `${handler.family} ${handler.name}`;
}

/**
 * An engine has handlers that none of its files names: built into it, or given on its command line. A name that its CRI lists, and that
 * kata-sysext did not make, belongs to another program. Throws engine-foreign-handler.
 */
export function refuseTaken(listed: string[], wanted: string[], ours: string[], wiring: WiringPlan): void {
  // A handler that the files already define exactly as needed is used as it is; the planner has a finding for each.
  const shared = new Set(wiring.findings.map((finding) => finding.subject));
  const taken = wanted.find((name) => listed.includes(name) && !ours.includes(name) && !shared.has(name));
  if (taken === undefined) return;
  throw new KataError('engine-foreign-handler', {
    subject: taken,
    found: `the engine lists a handler ${taken} already, and kata-sysext has not made it`,
    needed: 'a name that no other program defines',
    next: 'choose another name with --alias, or take that handler out of the engine and restart it',
  });
}

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
