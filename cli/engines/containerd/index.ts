import { probeCri } from '../cri/index.ts';
import type { Engine } from '../types.ts';
import { detectContainerd, findRecordedContainerd } from './detect.ts';
import { compareDumps, effectiveConfig } from './dump.ts';
import { findForeignContainerd } from './foreignWiring.ts';
import { pendingRestartsOfContainerd } from './pendingRestarts.ts';
import { planContainerd } from './plan.ts';
import { plannedDump, validateContainerd } from './validate.ts';

export const containerd: Engine = {
  name: 'containerd',
  detect: detectContainerd,
  findRecorded: findRecordedContainerd,
  plan: planContainerd,
  findForeignWiring: findForeignContainerd,
  validate: validateContainerd,
  renderPlanned: async (host, instance, plan, scratch) => (await plannedDump(host, instance, plan, scratch)).value,
  dumpEffective: effectiveConfig,
  compare: compareDumps,
  probe: (host, instance, timeoutMs) => probeCri(host, instance.socket, timeoutMs),
  pendingRestarts: pendingRestartsOfContainerd,
  showCommand: ({ binary, configPath }) => `${binary ?? 'containerd'} -c ${configPath} config dump`,
};
