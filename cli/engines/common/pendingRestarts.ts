import { commandWord, type Finding } from '../../errors/index.ts';
import type { HostPath, HostView, Stat } from '../../host/types.ts';
import type { Instance } from '../types.ts';

/** The process's start is counted in hundredths of a second, file times in jiffies. */
const toleranceMs = 100;

/** Those of the watched files and folders, the binary and the unit's own files that changed since the daemon started. */
export async function changedSinceStart(host: HostView, instance: Instance, watched: readonly HostPath[]): Promise<Finding[]> {
  if (!instance.process) return [];
  const { engine } = instance;
  const { startedMs, binaryReplaced } = instance.process;
  const findings: Finding[] = [];
  const isNewer = newerThan(host, startedMs);
  for (const path of new Set(watched)) {
    const stat = await host.stat(path);
    if (stat === undefined || !isNewer(stat)) continue;
    const what = stat.kind === 'directory' ? 'got or lost a file' : 'was changed';
    findings.push(finding(instance, path, `${path} ${what} at ${new Date(stat.modifiedMs).toISOString()}, after ${engine} started.`));
  }
  const binary = instance.binary === undefined ? undefined : await host.stat(instance.binary);
  if (instance.binary !== undefined && (binaryReplaced || (binary !== undefined && isNewer(binary)))) {
    findings.push(
      finding(instance, instance.binary, `${instance.binary} was replaced after ${engine} started: another version would start.`),
    );
  }
  const state = instance.unit === undefined ? undefined : await (await host.systemd())?.unit(instance.unit);
  if (state?.needDaemonReload) {
    findings.push(
      finding(
        instance,
        state.unit,
        `Files of ${state.unit} were changed since systemd read them (${[state.fragmentPath, ...state.dropInPaths].join(', ')}).`,
      ),
    );
  }
  return findings;
}

/**
 * Whether a file was changed after a moment. A time to come is of a clock that was wrong once, or of an archive: it says nothing, and no
 * restart would bring the process behind it.
 */
export function newerThan(host: Pick<HostView, 'now'>, sinceMs: number): (stat: Pick<Stat, 'modifiedMs'>) => boolean {
  const nowMs = host.now().getTime();
  return ({ modifiedMs }) => modifiedMs > sinceMs + toleranceMs && modifiedMs <= nowMs + toleranceMs;
}

function finding(instance: Instance, subject: string, found: string): Finding {
  return {
    code: 'engine-pending-edits',
    level: 'blocker',
    subject,
    found,
    needed: 'A running engine that has loaded everything, so that a restart applies only the change of kata-sysext.',
    next: `Restart it first: systemctl restart ${commandWord(instance.unit ?? instance.engine)}; or accept the change with --allow engine-pending-edits.`,
  };
}
