import { join } from 'node:path';
import { debianTools } from '../debianTools.ts';
import { builtContainerd, builtRequired, type ContainerdRelease, unbuilt } from '../goPrograms.ts';
import { type Availability, kubeRoot, suiteAvailable } from '../roots.ts';
import type { Programs } from './controlPlane.ts';

export const KUBERNETES = '1.37.2';
const names = ['kube-apiserver', 'kubelet', 'kube-controller-manager', 'kube-scheduler', 'kubectl'];
const sources = join(import.meta.dirname, 'programs');

/** The engine of a node: the suite's own, or one that the lab builds. Their configuration is of schema 2, 3 and 4. */
export const engines = { '1.7': undefined, '2.0': '2.0.14', '2.3': '2.3.7' } as const satisfies Record<
  string,
  ContainerdRelease | undefined
>;
export type Engine = keyof typeof engines;

/** Whether clusters can be had here and today; a `why` is for a skip's name. Makes all that they need: about twelve minutes of one core from nothing. */
export async function kubeAvailable(): Promise<Availability> {
  const suite = await suiteAvailable('trixie');
  if (!suite.ok) return suite;
  try {
    await kubePrograms();
    for (const release of Object.values(engines)) if (release !== undefined) await builtContainerd(release);
    await kubeRoot();
    return { ok: true };
  } catch (error) {
    return unbuilt(`Kubernetes ${KUBERNETES}`, error);
  }
}

export async function kubePrograms(): Promise<Programs> {
  const { tools, ...available } = await debianTools();
  if (tools === undefined) throw new Error('why' in available ? available.why : 'no etcd');
  return { kubernetes: await built(), etcd: tools.etcd };
}

/** A folder with the programs of Kubernetes. */
async function built(): Promise<string> {
  const [major, minor] = KUBERNETES.split('.');
  const version = { gitVersion: `v${KUBERNETES}`, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  const flags = ['component-base/version', 'client-go/pkg/version'].flatMap((part) =>
    Object.entries(version).map(([name, value]) => `-X k8s.io/${part}.${name}=${value}`),
  );
  return builtRequired('kubernetes', {
    ...{ sources, names, above: 'k8s.io/kubernetes/cmd', ldflags: `-s -w ${flags.join(' ')}` },
    // Ten minutes of a core, which have to be over when the tier's turn comes.
    niceness: 0,
  });
}
