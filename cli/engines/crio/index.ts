import { commandWord } from '../../errors/index.ts';
import { endedBefore } from '../common/endedBefore.ts';
import { probeCri } from '../common/probeCri.ts';
import type { Engine } from '../contract.ts';
import { cri } from './cri.ts';
import { usualFolder } from './daemon.ts';
import { detectCrio, findRecordedCrio } from './detect.ts';
import { compareDumps, effectiveConfig } from './dump.ts';
import { facts, readByDaemon } from './facts.ts';
import { findForeignCrio } from './foreignWiring.ts';
import { settingsOf } from './handlers.ts';
import { folderOf, loadSet } from './loader.ts';
import { pendingRestartsOfCrio } from './pendingRestarts.ts';
import { planCrio } from './plan.ts';
import { restartRisksOfCrio } from './restartRisks.ts';
import { switchSetting, turnOnCrio } from './selinuxSwitch.ts';
import { plannedDump, validateCrio } from './validate.ts';

/**
 * CRI-O. It is restarted, never reloaded: after a SIGHUP it lists new handlers but cannot run them (cri-o issue 10202,
 * docs/facts/crio.md#reload).
 */
export const crio: Engine = {
  ...facts,
  kind: 'engine',
  reservedHandlers: ['runc', 'crun'],
  dropInsNeedMain: false,
  shimProtocol: {
    speaks: [{ protocol: 2, source: 'internal/oci/runtime_vm.go imports the task service v2 in every version from 1.20 to 1.36' }],
    forgets: [],
    mixes: [],
  },
  offline: { unit: facts.units[0]!, kind: 'drop-in', read: readByDaemon, folders: [usualFolder.slice(1)] },
  // From 1.18 on. Its dump leaves out what equals the default, which is the state of the host.
  selinux: { keys: [['crio', 'runtime', 'selinux']], byDefault: true, setting: switchSetting, turnOn: turnOnCrio },
  defaultHandler: { keys: [['crio', 'runtime', 'default_runtime']], setting: 'default_runtime = "crun" (or "runc") in [crio.runtime]' },
  sample: undefined,
  readSettings: async (host, instance) => (await loadSet(host, instance)).files.map(({ doc }) => settingsOf(doc.value)),
  detect: detectCrio,
  findRecorded: findRecordedCrio,
  plan: planCrio,
  findForeignWiring: findForeignCrio,
  dump: {
    validate: validateCrio,
    renderPlanned: plannedDump,
    dumpEffective: effectiveConfig,
    compare: compareDumps,
    showCommand: (instance) =>
      `${[instance.binary ?? facts.name, '--config', instance.configPath, '--config-dir', folderOf(instance), 'config'].map(commandWord).join(' ')}`,
  },
  daemon: {
    probe: (host, instance, timeoutMs) => probeCri(host, instance.socket, cri.handlersIn, timeoutMs),
    endedBefore: (host, { socket }, ...asked) => endedBefore(host, socket, ...asked),
    pendingRestarts: pendingRestartsOfCrio,
    restartRisks: restartRisksOfCrio,
  },
  cri,
};
