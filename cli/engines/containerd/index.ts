import { probeCri } from '../cri/index.ts';
import type { Engine } from '../types.ts';
import { detectContainerd, wiredContainerd } from './detect.ts';
import { compareDumps, effectiveConfig } from './dump.ts';
import { ledContainerd } from './foreignWiring.ts';
import { pendingContainerd } from './pendingRestarts.ts';
import { planContainerd } from './plan.ts';
import { acceptsContainerd, plannedDump } from './validate.ts';

export const containerd: Engine = {
  name: 'containerd',
  detect: detectContainerd,
  wired: wiredContainerd,
  plan: planContainerd,
  led: ledContainerd,
  accepts: acceptsContainerd,
  planned: async (host, instance, plan, scratch) => (await plannedDump(host, instance, plan, scratch)).value,
  effective: effectiveConfig,
  compare: compareDumps,
  probe: (host, instance, timeoutMs) => probeCri(host, instance.socket, timeoutMs),
  pending: pendingContainerd,
  showCommand: ({ binary, configPath }) => `${binary ?? 'containerd'} -c ${configPath} config dump`,
};
