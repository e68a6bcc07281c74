import { commandWord, type Finding } from '../../errors/index.ts';
import type { HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { changedSinceStart } from '../common/pendingRestarts.ts';
import { probeCri } from '../common/probeCri.ts';
import { cri as containerdCri } from '../containerd/cri.ts';
import { compareDumps } from '../containerd/dump.ts';
import { newPlugin, oldPlugin } from '../containerd/schema.ts';
import type { Engine } from '../contract.ts';
import type { Instance } from '../types.ts';
import { detectK0s, findRecordedK0s } from './detect.ts';
import { dropIns, facts } from './facts.ts';
import { readDropIns } from './folder.ts';
import { dumpEffectiveK0s, renderPlannedK0s, validateK0s } from './model.ts';
import { findForeignK0s, planK0s } from './plan.ts';
import { shimProtocol } from './shimProtocol.ts';

/** Changes that its containerd has not read yet. Nothing restarts the unit, so that the unit's own files do not matter. */
async function pendingRestarts(host: HostView, { unit, ...instance }: Instance): Promise<Finding[]> {
  const findings = await changedSinceStart(host, instance, [instance.configPath, dropIns]);
  const needed = 'A containerd that has loaded everything, so that its next start applies only the change of kata-sysext.';
  const next = `k0s restarts it by itself some seconds after a change in ${dropIns}: try again in half a minute; else: systemctl restart ${unit ?? facts.units[0]}`;
  return findings.map((finding) => ({ ...finding, needed, next }));
}

/** k0s runs a containerd of its own, and restarts it by itself after a change of its folder of drop-ins. Versions are those of k0s. */
export const k0s: Engine = {
  ...facts,
  kind: 'engine',
  reservedHandlers: ['runc', 'untrusted'],
  // k0s writes the main file at each start.
  dropInsNeedMain: false,
  shimProtocol,
  offline: {
    kind: 'none',
    found: 'the wiring has a drop-in of the unit of k0s, which names the program, and k0s writes both at its own installation',
    needed: '--form hook --engine k0s: k0s starts its containerd again by itself, and nothing else restarts',
  },
  selinux: {
    keys: [
      ['plugins', newPlugin, 'enable_selinux'],
      ['plugins', oldPlugin, 'enable_selinux'],
    ],
    byDefault: false,
    setting: 'enable_selinux = true in a drop-in of your own in /etc/k0s/containerd.d',
  },
  defaultHandler: {
    keys: [
      ['plugins', newPlugin, 'containerd', 'default_runtime_name'],
      ['plugins', oldPlugin, 'containerd', 'default_runtime_name'],
    ],
    setting: 'default_runtime_name = "runc" in your drop-in in /etc/k0s/containerd.d',
  },
  sample: undefined,
  readSettings: async (host) => (await readDropIns(filesView(host))).map(({ doc }) => doc.value),
  detect: detectK0s,
  findRecorded: findRecordedK0s,
  plan: planK0s,
  findForeignWiring: findForeignK0s,
  dump: {
    validate: validateK0s,
    renderPlanned: renderPlannedK0s,
    dumpEffective: dumpEffectiveK0s,
    compare: compareDumps,
    showCommand: ({ binary, configPath }) => `${commandWord(binary ?? 'containerd')} -c ${commandWord(configPath)} config dump`,
  },
  daemon: {
    probe: (host, instance, timeoutMs) => probeCri(host, instance.socket, containerdCri.handlersIn, timeoutMs),
    pendingRestarts,
    // It ends its containerd alone; shims go on.
    restartRisks: async () => [],
  },
  cri: { ...containerdCri, pullCommand: (_at, image) => `k0s ctr --namespace k8s.io images pull ${commandWord(image)}` },
};
