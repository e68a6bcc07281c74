import { containerd } from '../containerd/index.ts';
import type { Engine } from '../types.ts';
import { detectNodeadm, findRecordedNodeadm } from './detect.ts';
import { facts } from './facts.ts';
import { findForeignNodeadm } from './foreignWiring.ts';
import { pendingRestartsOfNodeadm } from './pendingRestarts.ts';
import { planNodeadm } from './plan.ts';
import { renderPlanned, validateNodeadm } from './rendered.ts';

const { dump, daemon } = containerd;

/** containerd, whose configuration nodeadm renders: the wiring is an input of nodeadm, all else is containerd's own. */
export const nodeadm: Engine = {
  ...facts,
  kind: 'engine',
  reservedHandlers: containerd.reservedHandlers,
  dropInsNeedMain: false,
  shimProtocol: containerd.shimProtocol,
  offline: undefined,
  selinux: containerd.selinux,
  defaultHandler: { ...containerd.defaultHandler, setting: 'default_runtime_name = "runc" in your NodeConfig' },
  sample: undefined,
  detect: detectNodeadm,
  findRecorded: findRecordedNodeadm,
  plan: planNodeadm,
  findForeignWiring: findForeignNodeadm,
  dump: dump && {
    validate: validateNodeadm,
    renderPlanned: renderPlanned,
    dumpEffective: dump.dumpEffective,
    compare: dump.compare,
    showCommand: dump.showCommand,
  },
  daemon: daemon && { ...daemon, pendingRestarts: pendingRestartsOfNodeadm },
  cri: containerd.cri,
};
