import { missing } from '../../cluster/inCluster.ts';
import { ownLabel, ownValue, runtimeLabels } from '../../cluster/labels.ts';
import { type NodeReport, readReport } from '../../requests/index.ts';
import { reportFile } from '../../store/paths.ts';
import type { StepCall, StepReply } from '../types.ts';

/** Where the worker of Node Feature Discovery reads features; the pod mounts it. */
const folder = '/etc/kubernetes/node-feature-discovery/features.d';
export const featureFile = `${folder}/kata-sysext` as const;

/**
 * Leaves what the report proves as a file of features, of which Node Feature Discovery makes labels, or removes it. As with a token, a failed
 * request leaves the labels of the generation before it. Throws `node-pod-environment`.
 */
export async function run({ context: { host } }: StepCall): Promise<StepReply> {
  const report = (await readReport(host))?.report;
  if (report === undefined) throw missing(reportFile, 'the report that the step change leaves');
  if ((await host.stat(folder))?.kind !== 'directory') throw missing(folder, 'the folder of the node, mounted by the pod');
  const before = (await host.lstat(featureFile))?.kind === 'file' ? await host.readText(featureFile) : undefined;
  const wanted = features(report, before);
  if (wanted === undefined) await host.unlink(featureFile);
  else if (wanted !== before) await host.writeFile(featureFile, wanted, { mode: 0o644 });
  const text = wanted === undefined ? 'no file of features' : `${featureFile}: ${wanted.trim().split('\n').join(', ')}`;
  return { kind: 'NodeReport', body: report, text: [text] };
}

/** undefined where nothing is proven. */
export function features(report: NodeReport, before: string | undefined): string | undefined {
  const { state, mode, generation, handlers } = report;
  if (generation === undefined || handlers.length === 0 || state === 'unsuitable') return undefined;
  if (state !== 'done' || mode !== 'install') return before;
  return [...runtimeLabels.map((name) => `${name}=true\n`), `${ownLabel}=${ownValue(report)}\n`].join('');
}
