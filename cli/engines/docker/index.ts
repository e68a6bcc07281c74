import { commandWord } from '../../errors/index.ts';
import type { Engine } from '../contract.ts';
import { defaultHandler } from './checks.ts';
import { detectDocker, findRecordedDocker } from './detect.ts';
import { compareDumps, dumpEffective, renderPlanned, validateDocker } from './dump.ts';
import { facts } from './facts.ts';
import { findForeignDocker } from './foreignWiring.ts';
import { pendingReloads } from './pendingReloads.ts';
import { planDocker } from './plan.ts';
import { awaitReload, probeDocker } from './probe.ts';

/**
 * Docker: a key of daemon.json, and a reload that keeps the daemon's process and every container. It serves no CRI, so that its own API
 * proves handlers, and no kubelet of a node reads what it does.
 */
export const docker: Engine = {
  ...facts,
  kind: 'engine',
  reservedHandlers: ['runc', 'io.containerd.runc.v2'],
  dropInsNeedMain: false,
  // The containerd beside it starts shims, in whatever version it is: nothing is said of protocols from 3 on.
  shimProtocol: { speaks: [], forgets: [], mixes: [] },
  offline: {
    kind: 'none',
    found: 'the handlers go into the nodes’ own daemon.json, which is only checked where Docker runs: with a wrong one it does not start',
    needed: '--form hook --engine docker: one reload, and containers go on',
  },
  selinux: { keys: [['selinux-enabled']], byDefault: false, setting: '"selinux-enabled": true in daemon.json' },
  defaultHandler,
  sample: undefined,
  detect: detectDocker,
  findRecorded: findRecordedDocker,
  plan: planDocker,
  findForeignWiring: findForeignDocker,
  dump: {
    validate: validateDocker,
    renderPlanned,
    dumpEffective,
    compare: compareDumps,
    showCommand: ({ binary, configPath }) =>
      `${commandWord(binary ?? facts.programs[0]!)} --validate --config-file ${commandWord(configPath)}`,
  },
  daemon: {
    probe: probeDocker,
    pendingRestarts: pendingReloads,
    restartRisks: async () => [],
    awaitReload,
    inUse: { one: 'container', many: 'containers', next: 'end and remove them (docker rm -f NAME), then run the command again' },
  },
  cri: undefined,
};
