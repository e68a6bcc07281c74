import { parseAllDocuments } from 'yaml';
import { BUSYBOX } from '../../lab/containerd.ts';
import type { KubeLab } from '../../lab/kube/index.ts';
import type { Nfd } from '../../lab/kube/nfd.ts';

const namespace = 'node-feature-discovery';
/** Where nodes and pods have its programs. */
const folder = '/mnt/nfd';

/**
 * Its default is a minute. Of several events of its folder in a second it takes the first alone (source/local/local.go): that a file is put in
 * place by a rename, it often sees at the next interval.
 */
const workerOptions = { core: { sleepInterval: '2s' } };

interface KubeObject {
  kind: string;
  metadata: { name: string };
  spec: { template: { spec: PodSpec } };
}

interface PodSpec {
  containers: { volumeMounts: object[]; securityContext: object; command: string[] }[];
  volumes: object[];
}

/** What its nodes have to have, for the options of a node. */
export function featureDiscoveryBinds({ programs }: Nfd): Record<string, string> {
  return { [programs]: folder };
}

/**
 * Starts Node Feature Discovery as its own kustomization has it: the master in a pod, and a worker in a confined pod of each node. Another
 * image holds nothing of it: the programs come from the node.
 */
export async function startFeatureDiscovery(lab: KubeLab, { kustomization }: Nfd): Promise<void> {
  const { stdout } = await lab.kubectl(['kustomize', kustomization]);
  const objects = parseAllDocuments(stdout).map((document) => document.toJS() as KubeObject);
  const wanted = objects.filter(({ metadata }) => !metadata.name.startsWith('nfd-gc')).map(withPrograms);
  // The annotation of another apply has no room for its definitions.
  const apply = ['apply', '--server-side', '-f', '-'];
  const isDefinition = ({ kind }: KubeObject) => kind === 'CustomResourceDefinition';
  await lab.kubectl(apply, listOf(wanted.filter(isDefinition)));
  await lab.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=120s']);
  await lab.kubectl(apply, listOf(wanted.filter((each) => !isDefinition(each))));
  for (const set of ['deployment/nfd-master', 'daemonset/nfd-worker'])
    await lab.kubectl(['-n', namespace, 'rollout', 'status', set, '--timeout=300s']);
}

function withPrograms(object: KubeObject): KubeObject {
  if (object.kind !== 'DaemonSet' && object.kind !== 'Deployment') return object;
  const { containers, volumes, ...rest } = object.spec.template.spec;
  const spec = {
    ...rest,
    containers: containers.map((container) => ({
      ...container,
      image: BUSYBOX,
      imagePullPolicy: 'Never',
      command: container.command.map((program) => `${folder}/${program}`),
      args: object.kind === 'DaemonSet' ? [`-options=${JSON.stringify(workerOptions)}`] : [],
      // The user of its own image.
      securityContext: { ...container.securityContext, runAsUser: 65534 },
      volumeMounts: [...container.volumeMounts, { name: 'programs', mountPath: folder, readOnly: true }],
    })),
    volumes: [...volumes, { name: 'programs', hostPath: { path: folder, type: 'Directory' } }],
  };
  return { ...object, spec: { ...object.spec, template: { ...object.spec.template, spec } } };
}

function listOf(items: KubeObject[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}
