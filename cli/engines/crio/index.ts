import { probeCri } from '../cri/index.ts';
import type { Engine } from '../types.ts';
import { detectCrio, wiredCrio } from './detect.ts';
import { compareDumps, effectiveConfig } from './dump.ts';
import { ledCrio } from './foreignWiring.ts';
import { folderOf } from './loader.ts';
import { pendingCrio } from './pendingRestarts.ts';
import { planCrio } from './plan.ts';
import { crioRisks } from './restartRisks.ts';
import { acceptsCrio, plannedDump } from './validate.ts';

/** CRI-O. It is restarted, never reloaded: after a SIGHUP it lists new handlers but cannot run them (cri-o issue 10202, facts/cri.md §2.3). */
export const crio: Engine = {
  name: 'crio',
  detect: detectCrio,
  wired: wiredCrio,
  plan: planCrio,
  led: ledCrio,
  accepts: acceptsCrio,
  planned: plannedDump,
  effective: effectiveConfig,
  compare: compareDumps,
  probe: (host, instance, timeoutMs) => probeCri(host, instance.socket, timeoutMs),
  pending: pendingCrio,
  risks: crioRisks,
  showCommand: (instance) => `${instance.binary ?? 'crio'} --config ${instance.configPath} --config-dir ${folderOf(instance)} config`,
};
