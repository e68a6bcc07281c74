import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { podRequest } from '../../../cli/nodePod/request.ts';
import { type KubeLab, kubeLab } from '../../lab/kube/index.ts';
import { isReadyBy, type Pod, type Simulation, simulate } from '../../lab/kube/simulated/index.ts';
import { type Mode, nodeManifest } from '../live/nodeManifests.ts';
import { nodeContainers, type SimulatedHost } from './simulatedHost.ts';

export interface SimulatedFleet {
  lab: KubeLab;
  simulation: Simulation;
  /** Applies the manifest of a request; gives the number of the template and the digest of the request. */
  begin(mode: Mode, request: object): Promise<Template>;
  /** `kubectl rollout undo` without a revision; gives the template that it leads to. */
  undo(): Promise<Template>;
  rolledOut(seconds?: number): Promise<void>;
  /** Waits until nodes are settled: the init containers of their pods of this template have ended, or, without names, this many failed. */
  settled(template: Template, names: readonly string[] | number): Promise<void>;
  /** Waits until the pods of these nodes are about to go. */
  goingFrom(names: readonly string[]): Promise<void>;
  /** The nodes whose pods are of a template and ready, or not ready although their init containers have ended. */
  nodesOf(template: Template, isReady: boolean): string[];
  stop(): Promise<void>;
}

export interface Template {
  generation: string;
  /** The digest of its request. */
  request: string;
}

export interface FleetOptions {
  names: readonly string[];
  hostOf(name: string): Omit<SimulatedHost, 'port' | 'ca'> | Promise<Omit<SimulatedHost, 'port' | 'ca'>>;
  /** Values of the chart beside image and request. */
  values: object;
  renewMs: number;
  controllers: readonly string[];
  audit?: boolean;
}

const set = 'daemonset/kata-sysext';

/** A control plane with simulated nodes, and the chart's own manifests; nothing of kata-sysext is in it yet. */
export async function simulatedFleet({ names, hostOf, values, renewMs, controllers, audit }: FleetOptions): Promise<SimulatedFleet> {
  const lab = await kubeLab({ nodes: [], controllers, audit: audit === true });
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-fleet-'));
  let simulation: Simulation | undefined;
  const stop = async () => {
    simulation?.stop();
    await lab.stop();
    rmSync(folder, { recursive: true });
  };
  try {
    const { port, ca } = await lab.reach();
    const hosts = new Map<string, SimulatedHost>();
    for (const name of names) hosts.set(name, { ...(await hostOf(name)), port, ca });
    simulation = await simulate(lab, names, (name) => nodeContainers(hosts.get(name)!), { renewMs });
    return { lab, simulation, ...rollouts(lab, simulation, folder, values), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const image = { repository: 'registry.example/kata-sysext', digest: `sha256:${'a'.repeat(64)}` };

type Rollouts = Pick<SimulatedFleet, 'begin' | 'undo' | 'rolledOut' | 'settled' | 'goingFrom' | 'nodesOf'>;

function rollouts(lab: KubeLab, simulation: Simulation, folder: string, values: object): Rollouts {
  const rollout = (...args: string[]) => lab.kubectl(['-n', 'kata-sysext', 'rollout', ...args], '', { timeoutMs: 3_600_000 });
  const nodesOf = ({ generation }: Template, isReady: boolean) =>
    simulation
      .pods()
      .filter((pod) => isOf(pod, generation) && isReadyBy(pod) === isReady && (isReady || pod.status.phase === 'Running'))
      .map(({ spec }) => spec.nodeName ?? '');
  const until = async (isReached: () => boolean, what: string) => {
    for (const deadline = Date.now() + 600_000; !isReached(); await pause(100)) if (Date.now() > deadline) throw new Error(what);
  };
  return {
    nodesOf,
    goingFrom: (names) => {
      const going = () => simulation.pods().filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
      const isReached = () => names.every((name) => going().some(({ spec }) => spec.nodeName === name));
      return until(isReached, `the pods of not all of these nodes go: ${names.join(' ')}`);
    },
    begin: async (mode, request) => {
      await lab.applyYaml(await nodeManifest(folder, mode, { image, ...values, request }));
      return templateOf(lab);
    },
    undo: async () => {
      await rollout('undo', set);
      return templateOf(lab);
    },
    rolledOut: async (seconds = 600) => {
      await rollout('status', set, `--timeout=${seconds}s`);
    },
    settled: async (template, wanted) => {
      const isReached = () => {
        const failed = nodesOf(template, false);
        if (typeof wanted === 'number') return failed.length >= wanted;
        const found = new Set([...failed, ...nodesOf(template, true)]);
        return wanted.every((name) => found.has(name));
      };
      await until(isReached, `the nodes do not settle with template ${template.generation}: ${String(wanted)}`);
    },
  };
}

function isOf({ metadata }: Pod, generation: string): boolean {
  return metadata.labels?.['pod-template-generation'] === generation && metadata.deletionTimestamp === undefined;
}

interface DaemonSet {
  metadata: { annotations: Record<string, string> };
  spec: { template: { spec: { initContainers: { name: string; env: { name: string; value?: string }[] }[] } } };
}

async function templateOf(lab: KubeLab): Promise<Template> {
  const { metadata, spec } = await lab.json<DaemonSet>(['-n', 'kata-sysext', 'get', set]);
  const generation = metadata.annotations['deprecated.daemonset.template.generation']!;
  const given = spec.template.spec.initContainers.find(({ name }) => name === 'change')?.env ?? [];
  const env = { ...Object.fromEntries(given.map(({ name, value }) => [name, value])), KATA_SYSEXT_TEMPLATE_GENERATION: generation };
  return { generation, request: podRequest(env).digest };
}
