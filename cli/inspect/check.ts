import { backendOf } from '../backends/index.ts';
import { findEngine, restartFindings } from '../changes/engine.ts';
import { hostFindings } from '../changes/refusals.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { type HostFacts, readFacts } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import { activeGeneration } from '../store/index.ts';

export interface Check {
  ready: boolean;
  host: { os: string; kind: string; architecture: string; ostree: boolean; selinux: string; kvm: boolean | undefined };
  engine?: { name: string; version: string | undefined; configPath: string; unit: string | undefined; handlers: string[] };
  backend: string;
  /** Blockers first. */
  findings: Finding[];
}

const order = { blocker: 0, warning: 1, info: 2 };

/** Whether this host can take an installation now, blockers first. Reads only. */
export async function check(host: HostView, wish: { backend?: string; engine?: string }): Promise<Check> {
  const facts = await readFacts(host);
  const backend = backendOf(wish.backend ?? 'auto');
  const findings = await hostFindings(host, facts, backend);
  const engine = await engineOf(host, wish.engine, findings);
  const sorted = findings.sort((a, b) => order[a.level] - order[b.level]);
  return {
    ready: !sorted.some((finding) => finding.level === 'blocker'),
    host: hostLine(facts),
    backend: backend.name,
    findings: sorted,
    ...(engine === undefined ? {} : { engine }),
  };
}

async function engineOf(host: HostView, wish: string | undefined, findings: Finding[]): Promise<Check['engine']> {
  try {
    const found = await findEngine(host, wish, (await activeGeneration(host))?.record.wiring?.engine);
    const { engine, instance } = found;
    findings.push(...(await restartFindings(host, found)));
    // Planning without handlers reads the whole configuration as a change would, and says what it would refuse.
    await engine.plan(host, instance, []);
    const state = host.live ? await engine.probe(host, instance, 10_000) : undefined;
    if (state !== undefined && !state.reachable) findings.push(unhealthy(engine.name, instance.socket, state.why));
    return {
      name: engine.name,
      version: instance.version,
      configPath: instance.configPath,
      unit: instance.unit,
      handlers: state?.handlers ?? [],
    };
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    findings.push(error.finding());
    return undefined;
  }
}

function unhealthy(name: string, socket: string, why: string | undefined): Finding {
  return {
    code: 'engine-unhealthy',
    level: 'blocker',
    subject: name,
    found: `${name} does not answer on ${socket}: ${why ?? 'no reason given'}`,
    needed: 'an engine that works',
    next: `systemctl status ${name}`,
  };
}

function hostLine({ os, architecture, ostree, selinux, kvm }: HostFacts): Check['host'] {
  return {
    os: os.known ? os.value.name : 'unknown',
    kind: os.known ? os.value.kind : 'unknown',
    architecture: architecture.known ? architecture.value : 'unknown',
    ostree: ostree.known && ostree.value,
    selinux: selinux.known ? selinux.value.mode : 'unknown',
    kvm: kvm.known ? kvm.value : undefined,
  };
}
