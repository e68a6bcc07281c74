import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { LabHost } from '../host.ts';
import { type Ran, type RunOptions, run } from '../run.ts';
import { apiClient, type Client } from './client.ts';
import { type ApiServer, type ControlPlane, type ControlPlaneOptions, startControlPlane } from './controlPlane.ts';
import { bridgeNetwork, type Network } from './network.ts';
import { bootNode, type Node, type NodeOptions } from './node.ts';
import { openPassage, type Passage } from './passage.ts';
import { kubePrograms } from './programs.ts';

export type { NodeOptions } from './node.ts';
export { KUBERNETES, kubeAvailable } from './programs.ts';

/** A cluster of real programs of Kubernetes. Two at the same time know nothing of each other: each has networks of its own. */
export interface KubeLab {
  /** kubectl as the administrator, with a text as its input; throws on a nonzero status unless told otherwise. */
  kubectl(args: string[], input?: string, options?: RunOptions): Promise<Ran>;
  /** What kubectl prints with `-o json`. */
  json<T>(args: string[]): Promise<T>;
  applyYaml(yaml: string): Promise<Ran>;
  /** The host of a node; its containerd and kubelet are `containerd.service` and `kubelet.service`. */
  node(name: string): LabHost;
  /** One more node, until it is Ready. */
  join(node: NodeOptions): Promise<LabHost>;
  /** Waits until the nodes are Ready in the boot that they are in; default: all. */
  ready(...names: string[]): Promise<void>;
  /** Imports an archive of an image into nodes, default: all; `as`: the repository of tags that the archive has none for. */
  load(archive: string, options?: { nodes?: readonly string[]; as?: string }): Promise<void>;
  apiServer: ApiServer;
  adminToken: string;
  /** The administrator's, for a program that `run` starts. */
  kubeconfig: string;
  /** Runs a program of the machine in the network of the control plane, where the API server answers. */
  run(argv: string[], options?: RunOptions): Promise<Ran>;
  /** The API server as this process reaches it. */
  reach(): Promise<Reach>;
  /** The file of the server's audit log, where the lab was started with one. */
  auditLog: string;
  /** Ends everything; nothing is left. */
  stop(): Promise<void>;
}

export interface Reach {
  /** Of 127.0.0.1. */
  port: number;
  ca: string;
  /** The administrator's. */
  client: Client;
}

/** Starts a control plane and nodes, and waits until all are Ready: about ten seconds, besides what has to be built once. */
export async function kubeLab({ nodes, ...options }: { nodes: NodeOptions[] } & ControlPlaneOptions): Promise<KubeLab> {
  const programs = await kubePrograms();
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-kube-'));
  const bridge = await bridgeNetwork();
  const booted = new Map<string, Node>();
  let plane: ControlPlane | undefined;
  let reached: (Reach & { passage: Passage }) | undefined;
  const stop = async () => {
    reached?.client.close();
    await reached?.passage.stop();
    await Promise.all([...booted.values()].map((node) => node.stop()));
    await plane?.stop();
    await bridge.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    plane = await startControlPlane(folder, bridge, programs, options);
    let number = 0;
    const { pki, adminToken, auditLog } = plane;
    const reach = async () => {
      reached ??= await reachThrough(bridge, await readFile(join(pki, 'ca.crt'), 'utf8'), adminToken);
      return reached;
    };
    const boot = async (options: NodeOptions) => {
      booted.set(options.name, await bootNode(options, ++number, { bridge, pki, kubernetes: programs.kubernetes }));
    };
    const ended = await Promise.allSettled(nodes.map(boot));
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
    const lab: KubeLab = { ...clients(folder, bridge, plane, programs.kubernetes, booted), join: joinNode, reach, auditLog, stop };
    async function joinNode(options: NodeOptions): Promise<LabHost> {
      await boot(options);
      await lab.ready(options.name);
      return lab.node(options.name);
    }
    await lab.ready();
    return lab;
  } catch (error) {
    await stop();
    throw error;
  }
}

async function reachThrough(bridge: Network, ca: string, token: string): Promise<Reach & { passage: Passage }> {
  const passage = await openPassage(bridge);
  const { port } = passage;
  return { passage, port, ca, client: apiClient({ port, ca, token }) };
}

type Clients = Omit<KubeLab, 'join' | 'reach' | 'auditLog' | 'stop'>;

function clients(folder: string, bridge: Network, plane: ControlPlane, kubernetes: string, booted: Map<string, Node>): Clients {
  const { apiServer, adminToken, kubeconfig } = plane;
  const inside = (argv: string[], options: RunOptions = {}) => run(bridge.command(argv), options);
  const kubectl = (args: string[], input = '', options: RunOptions = {}) =>
    // Its cache is in the home.
    inside([join(kubernetes, 'kubectl'), '--kubeconfig', kubeconfig, ...args], {
      ...options,
      input,
      env: { HOME: folder, ...options.env },
    });
  const json = async <T>(args: string[]) => JSON.parse((await kubectl([...args, '-o', 'json'])).stdout) as T;
  const node = (name: string): LabHost => {
    const found = booted.get(name);
    if (found === undefined) throw new Error(`the cluster has no node ${name}`);
    return found.host;
  };
  const namesOr = (names: string[]) => (names.length > 0 ? names : [...booted.keys()]);
  return {
    kubectl,
    json,
    node,
    applyYaml: (yaml) => kubectl(['apply', '-f', '-'], yaml),
    ready: async (...names) => {
      for (const name of namesOr(names)) await waitUntilReady(name, node(name), json);
    },
    load: async (archive, { nodes = [...booted.keys()], as } = {}) => {
      const base = as === undefined ? '' : `--base-name ${as} `;
      for (const name of nodes) {
        const file = `/root/${basename(archive)}`;
        await run(['cp', archive, `${node(name).root}${file}`]);
        await node(name).sh(`ctr -n k8s.io images import ${base}${file}; rm ${file}`);
      }
    },
    apiServer,
    adminToken,
    kubeconfig,
    run: inside,
  };
}

interface NodeObject {
  status?: { nodeInfo?: { bootID?: string }; conditions?: { type: string; status: string }[] };
}

/** What the API server says of a host that has just booted is of the boot before, until its kubelet has reported. */
async function waitUntilReady(name: string, host: LabHost, json: KubeLab['json']): Promise<void> {
  for (const deadline = Date.now() + 300_000; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
    const boot = (await host.run(['cat', '/proc/sys/kernel/random/boot_id'])).stdout.trim();
    const { status } = await json<NodeObject>(['get', 'node', name]).catch((): NodeObject => ({}));
    const isReady = status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true;
    if (isReady && status?.nodeInfo?.bootID === boot) return;
    if (Date.now() > deadline) {
      const { stdout } = await host.run(['journalctl', '-b', '-u', 'kubelet', '-n', '20', '--no-pager', '-o', 'cat'], {
        allowFailure: true,
      });
      throw new Error(`node ${name} does not become Ready:\n${JSON.stringify(status?.conditions)}\n${stdout}`);
    }
  }
}
