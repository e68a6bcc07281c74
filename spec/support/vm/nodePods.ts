import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execIn, waitForCri } from '../../lab/pods.ts';
import { changeMounts, type Ended, endOf, removeNodePod, reportMounts, startIn, startNodePod } from '../live/nodePod.ts';
import { repo } from '../program.ts';
import type { LiveVm } from './liveVm.ts';

/** As the chart has it for `podMode: confined`, and for `podMode: privileged`. */
export type PodMode = 'confined' | 'privileged';

export interface PodRan {
  /** Of the container `change`; or what the engine says instead of starting it. */
  change: Ended | string;
  /** What the probe says in the container `report`, which is ready or not; or what the engine says. */
  report: string;
  /** The domain of the container `report`; '' where it does not run. */
  domain: string;
}

/** An emulated machine beside others takes minutes for an install. */
const changeMs = 1_500_000;

let count = 0;

/** Both containers of a node pod, as a kubelet has the engine start them. */
export async function nodePodOf({ host }: LiveVm, mode: PodMode, request: object): Promise<PodRan> {
  count += 1;
  const pod = await startNodePod(host, `node-pod-${count}`, { network: 'of the node', privileged: mode === 'privileged' });
  const change = {
    ...{ name: 'change', command: ['/kata-sysext', 'node-pod', 'change'], mounts: changeMounts, uid: 0 },
    env: { KATA_SYSEXT_REQUEST: JSON.stringify({ apiVersion: 'kata-sysext/v1', kind: 'Request', ...request }) },
    ...(mode === 'privileged' ? { privileged: true } : { selinuxType: 'spc_t' }),
  };
  const changed = await startIn(host, pod, change).then((id) => endOf(host, pod, change.name, id, changeMs), refusalOf);
  const resident = await startIn(host, pod, { name: 'report', command: ['/report', 'wait'], mounts: reportMounts, uid: 65_534 }).then(
    async (id) => ({ report: await execIn(host, id, ['/report', 'ready']).catch(refusalOf), domain: await domainOf(host, '/report wait') }),
    (error: unknown) => ({ report: refusalOf(error), domain: '' }),
  );
  await removeNodePod(host, pod);
  return { change: changed, ...resident };
}

function refusalOf(error: unknown): string {
  return String(error);
}

async function domainOf(host: LiveVm['host'], commandLine: string): Promise<string> {
  const { stdout } = await host.run(['ps', '-ww', '-eo', 'label,args']);
  const line = stdout.split('\n').find((each) => each.trimEnd().endsWith(` ${commandLine}`)) ?? '';
  return line.split(' ')[0]?.split(':')[2] ?? '';
}

/** The engine's switch, which a VM host has on. */
export async function engineSetsLabels({ host }: LiveVm, on: boolean): Promise<void> {
  await host.sh(`sed -i 's/enable_selinux = .*/enable_selinux = ${on}/' /etc/containerd/config.toml; systemctl restart containerd`);
  await waitForCri(host);
}

/** Loads the module that gives the reference policy what Fedora's gives to a node pod. In the emulated machine it takes a minute. */
export async function loadPodModule({ host }: LiveVm): Promise<void> {
  const text = readFileSync(join(repo, 'examples/selinux/node-pod-reference.cil'), 'utf8');
  await host.sh('cat > /root/node-pod-reference.cil; semodule -D -i /root/node-pod-reference.cil', { input: text, timeoutMs: 1_200_000 });
}
