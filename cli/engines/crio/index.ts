import { probeCri } from '../cri/index.ts';
import type { Engine } from '../types.ts';
import { detectCrio, findRecordedCrio } from './detect.ts';
import { compareDumps, effectiveConfig } from './dump.ts';
import { findForeignCrio } from './foreignWiring.ts';
import { folderOf } from './loader.ts';
import { pendingRestartsOfCrio } from './pendingRestarts.ts';
import { planCrio } from './plan.ts';
import { restartRisksOfCrio } from './restartRisks.ts';
import { plannedDump, validateCrio } from './validate.ts';

/** CRI-O. It is restarted, never reloaded: after a SIGHUP it lists new handlers but cannot run them (cri-o issue 10202, facts/cri.md §2.3). */
export const crio: Engine = {
  name: 'crio',
  detect: detectCrio,
  findRecorded: findRecordedCrio,
  plan: planCrio,
  findForeignWiring: findForeignCrio,
  validate: validateCrio,
  renderPlanned: plannedDump,
  dumpEffective: effectiveConfig,
  compare: compareDumps,
  probe: (host, instance, timeoutMs) => probeCri(host, instance.socket, timeoutMs),
  pendingRestarts: pendingRestartsOfCrio,
  restartRisks: restartRisksOfCrio,
  showCommand: (instance) => `${instance.binary ?? 'crio'} --config ${instance.configPath} --config-dir ${folderOf(instance)} config`,
};
