import { posix } from 'node:path';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { parseVersion } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { patternFolder } from './globs.ts';
import { loadSet } from './loader.ts';

/** The process's start is counted in hundredths of a second, file times in jiffies. */
const toleranceMs = 100;

/** See `Engine.pending`: every file by name whose change a restart would bring into effect. */
export async function pendingContainerd(host: HostView, instance: Instance): Promise<Finding[]> {
  if (!instance.process) return [];
  const { startedMs, binaryReplaced } = instance.process;
  const findings: Finding[] = [];
  for (const path of await watchedPaths(host, instance)) {
    const stat = await host.stat(path);
    if (!stat || stat.modifiedMs <= startedMs + toleranceMs) continue;
    const what = stat.kind === 'directory' ? 'got or lost a file' : 'was changed';
    findings.push(finding(instance, path, `${path} ${what} at ${new Date(stat.modifiedMs).toISOString()}, after containerd started.`));
  }
  const binary = instance.binary === undefined ? undefined : await host.stat(instance.binary);
  if (instance.binary !== undefined && (binaryReplaced || (binary && binary.modifiedMs > startedMs + toleranceMs))) {
    findings.push(
      finding(instance, instance.binary, `${instance.binary} was replaced after containerd started: another version would start.`),
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

/** All loaded files and the folders of patterns: a file that vanished from one is gone from the set, but the folder's time tells. */
async function watchedPaths(host: HostView, instance: Instance): Promise<HostPath[]> {
  const set = await loadSet(filesView(host), instance.configPath, parseVersion(instance.version));
  const folders = set.patterns.flatMap((pattern) => patternFolder(pattern) ?? []);
  // The main file's own folder changes for many reasons that do not concern the daemon.
  const others = folders.filter((folder) => folder !== posix.dirname(instance.configPath));
  return [...new Set([...set.files.map((file) => file.path), ...others])];
}

function finding(instance: Instance, subject: string, found: string): Finding {
  return {
    code: 'engine-pending-edits',
    level: 'blocker',
    subject,
    found,
    needed: 'A running engine that has loaded everything, so that a restart brings our change and no other.',
    next: `Restart it first: systemctl restart ${instance.unit ?? instance.engine}; or accept the change with --allow engine-pending-edits.`,
  };
}
