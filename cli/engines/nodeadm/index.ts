import { containerd } from '../containerd/index.ts';
import type { Engine } from '../contract.ts';
import { detectNodeadm, findRecordedNodeadm, isBeside } from './detect.ts';
import { facts } from './facts.ts';
import { findForeignNodeadm } from './foreignWiring.ts';
import { pendingRestartsOfNodeadm } from './pendingRestarts.ts';
import { planNodeadm } from './plan.ts';
import { renderPlanned, validateNodeadm } from './rendered.ts';
import { readSettingsOfNodeadm } from './sources.ts';

const { dump, daemon } = containerd;

/** containerd, whose configuration nodeadm renders: the wiring is an input of nodeadm, all else is containerd's own. */
export const nodeadm: Engine = {
  ...facts,
  kind: 'engine',
  reservedHandlers: containerd.reservedHandlers,
  dropInsNeedMain: false,
  shimProtocol: containerd.shimProtocol,
  offline: {
    kind: 'none',
    found: 'nodeadm runs on Amazon Linux 2023 of EKS alone, which no target is',
    needed: 'an installation into the AMI, where nothing restarts: kata-sysext install BUNDLE --root DIR --engine nodeadm@VERSION',
    noTarget: true,
  },
  selinux: {
    keys: containerd.selinux.keys,
    byDefault: containerd.selinux.byDefault,
    setting: 'enable_selinux = true in spec.containerd.config of the user data',
  },
  defaultHandler: { ...containerd.defaultHandler, setting: 'default_runtime_name = "runc" in your NodeConfig' },
  sample: undefined,
  readSettings: readSettingsOfNodeadm,
  detect: detectNodeadm,
  findRecorded: findRecordedNodeadm,
  plan: planNodeadm,
  findForeignWiring: findForeignNodeadm,
  dump: dump && {
    validate: (host, instance, plan, scratch) => (isBeside(instance) ? dump.validate : validateNodeadm)(host, instance, plan, scratch),
    renderPlanned: (host, instance, plan, scratch) =>
      (isBeside(instance) ? dump.renderPlanned : renderPlanned)(host, instance, plan, scratch),
    dumpEffective: dump.dumpEffective,
    compare: dump.compare,
    showCommand: dump.showCommand,
  },
  daemon: daemon && { ...daemon, pendingRestarts: pendingRestartsOfNodeadm },
  cri: containerd.cri,
};
