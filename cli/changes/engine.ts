import { type Engine, engineNamed, engines, type Instance, restartRisks } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';

export interface Found {
  engine: Engine;
  instance: Instance;
}

/** The engine to wire: the one named by `--engine NAME[@VERSION]`, else the one that is on the host. */
export async function findEngine(host: HostView, wish: string | undefined): Promise<Found> {
  const [name, version] = (wish ?? '').split('@');
  for (const engine of name === '' || name === undefined ? engines : named(name)) {
    const [instance] = await engine.detect(host, version);
    if (instance !== undefined) return { engine, instance };
  }
  throw new KataError('engine-missing', {
    subject: wish ?? host.root,
    found: host.live ? `no running ${engines.map((engine) => engine.name).join(' or ')}` : `no ${engines.map((engine) => engine.name).join(' or ')} in the tree`,
    needed: 'an engine that this version supports',
    next: host.live ? 'start it: systemctl start containerd' : 'name it: --engine containerd@VERSION',
  });
}

/** What speaks against a restart of this engine now. */
export async function restartFindings(host: HostView, { engine, instance }: Found): Promise<Finding[]> {
  const systemd = await host.systemd();
  if (systemd === undefined || instance.unit === undefined) return [];
  const unit = await systemd.unit(instance.unit);
  return [...(await engine.pending(host, instance)), ...restartRisks(unit)];
}

/** Throws the first blocker that was not allowed; gives the others back as what they now are: warnings. */
export function refuse(findings: Finding[], allow: string[]): Finding[] {
  return findings.map((finding) => {
    if (finding.level !== 'blocker') return finding;
    if (allow.includes(finding.code)) return { ...finding, level: 'warning' };
    throw KataError.of(finding);
  });
}

function named(name: string): Engine[] {
  const engine = engineNamed(name);
  if (engine !== undefined) return [engine];
  throw new KataError('usage', { subject: '--engine', found: `--engine ${name}`, needed: `one of ${engines.map((each) => each.name).join(', ')}`, next: 'kata-sysext install --help' });
}
