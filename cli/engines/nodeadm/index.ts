import { containerd } from '../containerd/index.ts';
import type { Engine } from '../types.ts';
import { detectNodeadm, findRecordedNodeadm } from './detect.ts';
import { facts, folder, runUnit } from './facts.ts';
import { findForeignNodeadm } from './foreignWiring.ts';
import { pendingRestartsOfNodeadm } from './pendingRestarts.ts';
import { planNodeadm } from './plan.ts';
import { renderPlanned, validateNodeadm } from './rendered.ts';

const { dump, daemon } = containerd;

/** containerd, whose configuration nodeadm renders: the wiring is an input of nodeadm, all else is containerd's own. */
export const nodeadm: Engine = {
  ...facts,
  kind: 'engine',
  refusal: {
    found: 'nodeadm (EKS) writes /etc/containerd/config.toml again at each boot, so that what is written there is lost',
    needed: `the wiring where nodeadm reads it, in ${folder}`,
    next: `name nodeadm: --engine nodeadm; if that finds none: systemctl enable ${runUnit}`,
    docs: {
      does: 'of EKS (AL2023): writes `/etc/containerd/config.toml` again at each boot',
      recognised: '`nodeadm-config.service` or `nodeadm-run.service` is enabled',
      works: 'kata-sysext wires nodeadm: [EKS nodes](../guides/eks.md); not with nodeadm before v20251023',
    },
  },
  reservedHandlers: containerd.reservedHandlers,
  dropInsNeedMain: false,
  shimProtocol: containerd.shimProtocol,
  offline: undefined,
  selinux: containerd.selinux,
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
