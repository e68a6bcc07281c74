import type { Sandbox } from '../engines/index.ts';
import type { Finding } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import type { Found } from '../planning/types.ts';
import { firstThatSpeaks, forgets, mixing, newestSpoken } from '../shimProtocol/index.ts';
import { type GenerationManifest, readGenerations } from '../store/index.ts';
import { shimPayloads } from './running.ts';

export interface ShimSwitch {
  found: Found;
  from: GenerationManifest | undefined;
  to: GenerationManifest | undefined;
  /** What the CRI has now. */
  sandboxes: Sandbox[];
  /** Whether the change restarts the engine. */
  restarts: boolean;
}

type Handlers = GenerationManifest['handlers'];

/**
 * What prevents a generation's shims under this engine, and what prevents a change while sandboxes of other shims run. A combination that is
 * not in the engine's tables (`Engine.shimProtocol`) works: the engine asks the new shim for an address, and gets that of the sandbox's own shim.
 */
export async function shimFindings(host: HostView, change: ShimSwitch): Promise<Finding[]> {
  const { found, to, sandboxes, restarts } = change;
  const live = sandboxes.some((sandbox) => sandbox.ready) ? await shimsOf(host, change) : [];
  const lost = restarts ? live.filter(({ protocol }) => protocol !== undefined && forgets(...engineOf(found), protocol)) : [];
  return [
    ...[...byProtocol(to?.handlers ?? [])].flatMap(([protocol, handlers]) => speaking(found, to!.release, protocol, handlers)),
    ...mixed(found, to, live),
    ...(lost.length > 0 ? [forgotten(found, lost)] : []),
  ];
}

function speaking({ engine, instance }: Found, release: string, protocol: number | undefined, handlers: Handlers): Finding[] {
  const names = handlers.map((handler) => handler.name).join(', ');
  const name = engine.name;
  const daemon = `${name} ${instance.version ?? 'of unknown version'}`;
  const newest = newestSpoken(name, instance.version);
  const shim = `the shim of ${names} in Kata ${release}`;
  const unknown = { code: 'shim-protocol-unknown', level: 'warning', subject: names } as const;
  if (protocol === undefined) {
    const found = `${shim} does not tell which version of containerd’s shim protocol it speaks`;
    return [{ ...unknown, found, needed: `one that ${daemon} speaks`, next: 'start a test pod of the handler after the change' }];
  }
  const speaks = `${shim} speaks version ${protocol} of containerd’s shim protocol`;
  if (newest === undefined) {
    // Every engine that can be wired speaks version 2.
    if (protocol <= 2) return [];
    const next = instance.version === undefined ? `name the version: --engine ${name}@VERSION` : 'start a test pod after the change';
    return [
      { ...unknown, found: `${speaks}; whether ${daemon} does is not known`, needed: `an engine that speaks version ${protocol}`, next },
    ];
  }
  if (protocol > newest) {
    const first = firstThatSpeaks(name, protocol);
    return [
      {
        code: 'shim-protocol',
        level: 'blocker',
        subject: names,
        found: `${speaks}, ${daemon} speaks version ${newest} at most: no pod would start, and no further container in a running one`,
        needed: `a shim that speaks version ${newest}${first === undefined ? '' : `, or ${name} ${first} or later`}`,
        next: `use a release whose shim speaks version ${newest}${first === undefined ? '' : `, or upgrade ${name} first`}`,
      },
    ];
  }
  if (!forgets(name, instance.version, protocol)) return [];
  return [
    {
      code: 'engine-forgets-containers',
      level: 'warning',
      subject: names,
      found: `${speaks}: whenever ${daemon} restarts, it forgets the containers in running sandboxes of such a shim (containerd issue 10811)`,
      needed: `no such sandbox while ${name} restarts`,
      next: `drain the node before ${name} is restarted`,
    },
  ];
}

interface LiveShim {
  sandbox: Sandbox;
  protocol: number | undefined;
}

function mixed({ engine, instance }: Found, to: GenerationManifest | undefined, live: LiveShim[]): Finding[] {
  const hit = live.flatMap(({ sandbox, protocol }) => {
    const next = to?.handlers.find((handler) => handler.name === handlerOf(to, sandbox))?.protocol;
    if (protocol === undefined || next === undefined) return [];
    const row = mixing(engine.name, instance.version, protocol, next);
    return row === undefined ? [] : [{ sandbox, protocol, next, row }];
  });
  const [first] = hit;
  if (first === undefined) return [];
  const daemon = `${engine.name} ${instance.version}`;
  return [
    {
      code: 'shim-protocol-mixed',
      level: 'blocker',
      subject: subjectOf(hit),
      found: `${list(hit)} of a shim that speaks version ${first.protocol}; the new one speaks version ${first.next}, and ${daemon} loses at its next restart what that one starts in them`,
      needed: `no such sandbox, or ${engine.name} ${first.row.fixed}`,
      next: `${drain}, then run the command again`,
    },
  ];
}

function forgotten({ engine, instance }: Found, lost: LiveShim[]): Finding {
  return {
    code: 'engine-forgets-containers',
    level: 'blocker',
    subject: subjectOf(lost),
    found: `the change restarts ${engine.name} ${instance.version}, and that forgets the containers in ${list(lost)} (containerd issue 10811)`,
    needed: `no such sandbox while ${engine.name} restarts`,
    next: `${drain}, then run the command again`,
  };
}

const drain = 'delete these pods (kubectl drain, or crictl stopp and rmp)';

function list(live: { sandbox: Sandbox }[]): string {
  const names = live.map(({ sandbox }) => `${sandbox.podNamespace}/${sandbox.podName} (${sandbox.id.slice(0, 12)}, ${sandbox.handler})`);
  return `${names.length} running ${names.length === 1 ? 'sandbox' : 'sandboxes'} (${names.join('; ')})`;
}

function subjectOf(live: { sandbox: Sandbox }[]): string {
  return [...new Set(live.map(({ sandbox }) => sandbox.handler))].join(', ');
}

/** The shims of running sandboxes, found by the payload that the shim's process runs from. A shim that is not found counts as the active generation's. */
async function shimsOf(host: HostView, { from, sandboxes }: ShimSwitch): Promise<LiveShim[]> {
  const running = await shimPayloads(host);
  const generations = (await readGenerations(host)).map(({ manifest }) => manifest);
  return sandboxes
    .filter((sandbox) => sandbox.ready)
    .flatMap((sandbox) => {
      const payloads = running.get(sandbox.id);
      const owner = payloads === undefined ? from : generations.find((each) => payloads.has(each.payloadFolder));
      const handler = owner?.handlers.find(({ name }) => name === handlerOf(owner, sandbox));
      return handler === undefined ? [] : [{ sandbox, protocol: handler.protocol }];
    });
}

function handlerOf({ choices }: GenerationManifest, { handler }: Sandbox): string {
  return choices.aliases[handler] ?? handler;
}

function byProtocol(handlers: Handlers): Map<number | undefined, Handlers> {
  const groups = new Map<number | undefined, Handlers>();
  for (const handler of handlers) groups.set(handler.protocol, [...(groups.get(handler.protocol) ?? []), handler]);
  return groups;
}

function engineOf({ engine, instance }: Found): [string, string | undefined] {
  return [engine.name, instance.version];
}
