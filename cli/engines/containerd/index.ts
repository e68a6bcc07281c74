import { commandWord } from '../../errors/index.ts';
import { endedBefore } from '../common/endedBefore.ts';
import { probeCri } from '../common/probeCri.ts';
import { restartRisksOfUnit } from '../common/restartRisks.ts';
import type { Engine } from '../contract.ts';
import { cri } from './cri.ts';
import { detectContainerd, findRecordedContainerd } from './detect.ts';
import { compareDumps, effectiveConfig } from './dump.ts';
import { facts, usualConfig } from './facts.ts';
import { findForeignContainerd } from './foreignWiring.ts';
import { importedPatterns } from './offline.ts';
import { pendingRestartsOfContainerd } from './pendingRestarts.ts';
import { planContainerd } from './plan.ts';
import { newPlugin, oldPlugin } from './schema.ts';
import { switchSetting, turnOnContainerd } from './selinuxSwitch.ts';
import { readSettingsOfContainerd } from './settings.ts';
import { shimProtocol } from './shimProtocol.ts';
import { plannedDump, validateContainerd } from './validate.ts';

export const containerd: Engine = {
  ...facts,
  kind: 'engine',
  // runc is built in; 1.x runs pods of an annotation through `untrusted`.
  reservedHandlers: ['runc', 'untrusted'],
  dropInsNeedMain: true,
  shimProtocol,
  offline: { unit: facts.units[0]!, kind: 'edit', config: usualConfig, configVariable: 'CONTAINERD_CONFIG', patternsIn: importedPatterns },
  // 1.x to 2.x.
  selinux: {
    keys: [
      ['plugins', newPlugin, 'enable_selinux'],
      ['plugins', oldPlugin, 'enable_selinux'],
    ],
    byDefault: false,
    setting: switchSetting,
    turnOn: turnOnContainerd,
  },
  defaultHandler: {
    keys: [
      ['plugins', newPlugin, 'containerd', 'default_runtime_name'],
      ['plugins', oldPlugin, 'containerd', 'default_runtime_name'],
    ],
    setting: 'default_runtime_name = "runc" in the table of the CRI plugin',
  },
  sample: { version: '1.7', path: usualConfig, mode: 0o640, asset: 'cli/engines/containerd/sample.toml' },
  readSettings: readSettingsOfContainerd,
  detect: detectContainerd,
  findRecorded: findRecordedContainerd,
  plan: (host, instance, wanted, recorded) => planContainerd(host, instance, wanted, recorded),
  findForeignWiring: findForeignContainerd,
  dump: {
    validate: validateContainerd,
    renderPlanned: async (host, instance, plan, scratch) => (await plannedDump(host, instance, plan, scratch)).value,
    dumpEffective: effectiveConfig,
    compare: compareDumps,
    showCommand: ({ binary, configPath }) => `${commandWord(binary ?? facts.name)} -c ${commandWord(configPath)} config dump`,
  },
  daemon: {
    probe: (host, instance, timeoutMs) => probeCri(host, instance.socket, cri.handlersIn, timeoutMs),
    endedBefore: (host, { socket }, ...asked) => endedBefore(host, socket, ...asked),
    pendingRestarts: pendingRestartsOfContainerd,
    restartRisks: async (_host, _instance, state) => restartRisksOfUnit(state),
  },
  cri,
};
// What engines share that start a containerd of their own.
export { checkSet } from './checks.ts';
export { type Piece, piecesOf } from './edits.ts';
export { changesBetween } from './fileChanges.ts';
export { tablesLeadingTo } from './foreignWiring.ts';
export { matchesName, patternFolder } from './globs.ts';
export { handlerLines, handlerTable, isSame, leadsToOurs, pluginTable, shimIsType } from './handlers.ts';
export { type ConfigSet, loadSet } from './loader.ts';
export { removedKeysIn } from './removedKeys.ts';
export { pluginOf, runtimesOf, runtimesPath } from './schema.ts';
export { validateContainerd } from './validate.ts';
export { checkResult } from './verifyEdits.ts';
