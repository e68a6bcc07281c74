import { commandWord } from '../../errors/index.ts';
import type { HostView } from '../../host/types.ts';
import { probeCri } from '../common/probeCri.ts';
import type { Engine, Scratch } from '../contract.ts';
import type { Instance, WiringPlan } from '../types.ts';
import { containerd, validateContainerd } from './containerd.ts';
import { detectRancher, findRecordedRancher } from './detect.ts';
import { findForeignRancher } from './foreignWiring.ts';
import { pendingRestartsOfRancher } from './pendingRestarts.ts';
import { planRancher } from './plan.ts';
import { notRendered, renderedPlan } from './rendered.ts';
import { turnOnRancher } from './selinuxSwitch.ts';
import { dataDirOf, readSettingsOfRancher } from './settings.ts';
import type { Distribution } from './types.ts';

export type { Distribution } from './types.ts';

/** What all containerds have. */
const { dump, cri, daemon, selinux, defaultHandler, shimProtocol, reservedHandlers } = containerd as Engine &
  Required<{ [part in 'dump' | 'cri' | 'daemon']: NonNullable<Engine[part]> }>;

/** An engine that is a containerd of Rancher's making: started by the program that also writes its configuration. */
export function rancherEngine(of: Distribution): Engine {
  return {
    ...of.facts,
    kind: 'engine',
    reservedHandlers: [...reservedHandlers, 'runhcs-wcow-process'],
    // The program writes the main file itself.
    dropInsNeedMain: false,
    shimProtocol,
    offline: {
      kind: 'none',
      found: `the wiring is a drop-in or a template below ${of.dataDir}, and which of them is right is known once ${of.facts.title} has started there`,
      needed: `--form hook --engine ${of.facts.name}: one restart of ${of.facts.title}, once it runs`,
    },
    selinux: {
      ...selinux,
      setting: `selinux: true in /etc/rancher/${of.facts.name}/config.yaml, or --selinux`,
      turnOn: (host, instance, files) => turnOnRancher(of, host, instance, files),
    },
    defaultHandler: { ...defaultHandler, setting: `default-runtime: runc in /etc/rancher/${of.facts.name}/config.yaml` },
    sample: undefined,
    readSettings: (host, instance) => readSettingsOfRancher(host, of, instance),
    detect: (host, hint) => detectRancher(of, host, hint),
    findRecorded: (host, wiring) => findRecordedRancher(of, host, wiring),
    plan: (host, instance, wanted, recorded) => planRancher(of, host, instance, wanted, recorded),
    findForeignWiring: findForeignRancher,
    dump: {
      validate: async (host, instance, plan, scratch) =>
        validateContainerd(host, instance, await renderedPlan(host, instance, plan), scratch),
      renderPlanned,
      dumpEffective: async (host, instance) => {
        if ((await host.stat(instance.configPath)) === undefined) throw notRendered(instance);
        return dump.dumpEffective(host, instance);
      },
      compare: dump.compare,
      showCommand: dump.showCommand,
    },
    daemon: {
      probe: (host, instance, timeoutMs) => probeCri(host, instance.socket, cri.handlersIn, timeoutMs),
      pendingRestarts: (host, instance) => pendingRestartsOfRancher(of, host, instance),
      restartRisks: daemon.restartRisks,
    },
    cri: {
      ...cri,
      pullCommand: ({ configPath }, image) =>
        `${of.ctr(dataDirOf(configPath) ?? of.dataDir)} --namespace k8s.io images pull ${commandWord(image)}`,
    },
  };
}

async function renderPlanned(host: HostView, instance: Instance, plan: WiringPlan, scratch: Scratch): Promise<Record<string, unknown>> {
  return dump.renderPlanned(host, instance, await renderedPlan(host, instance, plan), scratch);
}
