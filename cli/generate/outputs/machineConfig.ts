import { KataError } from '../../errors/index.ts';
import { metadata } from '../owner.ts';
import type { FirstBoot, Generated, Target } from '../types.ts';
import { ignitionConfig } from './ignition.ts';
import { type YamlTable, yaml } from './yaml.ts';

/** MaxMachineConfigSize of the machine-config-operator (OCPBUGS-62619): of all MachineConfigs of a pool as one. */
export const machineConfigLimit = 1_572_864;

export interface PoolRequest {
  role: string;
  /** Also make the policy that lets a change of these files restart kata-sysext's unit instead of rebooting the node. */
  policy: boolean;
}

const ownPools = ['worker', 'master'];
const machineConfiguration = 'machineconfiguration.openshift.io/v1';

/** A MachineConfig, and where they are asked for a pool and a NodeDisruptionPolicy. Throws `generated-too-large`. */
export function machineConfigs(firstBoot: FirstBoot, target: Target, { role, policy }: PoolRequest): Generated[] {
  return [
    { name: 'kata-sysext.machineconfig.yaml', text: machineConfig(firstBoot, target, { role, policy }) },
    ...(ownPools.includes(role) ? [] : [{ name: 'kata-sysext.pool.yaml', text: pool(role) }]),
    ...(policy ? [{ name: 'kata-sysext.policy.yaml', text: disruptionPolicy(firstBoot) }] : []),
  ];
}

function machineConfig(firstBoot: FirstBoot, target: Target, { role, policy }: PoolRequest): string {
  const { kernelArguments } = firstBoot;
  // The operator takes arguments of the kernel from its own field, and refuses them in Ignition's.
  const config = ignitionConfig({ ...firstBoot, kernelArguments: [] }, target.ignition);
  const document = {
    apiVersion: machineConfiguration,
    kind: 'MachineConfig',
    metadata: metadata(role),
    spec: { config, kernelArguments: kernelArguments.length === 0 ? undefined : kernelArguments },
  };
  const size = Buffer.byteLength(JSON.stringify(document));
  if (size > machineConfigLimit) throw tooLarge(size);
  return yaml(document as unknown as YamlTable, [
    firstBoot.title,
    ...(policy ? [policyFirst(firstBoot)] : []),
    `oc apply -f kata-sysext.machineconfig.yaml: the nodes of the pool ${role} take it over one after the other.`,
    ...firstBoot.files.map(({ path, note }) => `${path}: ${note} To read it: base64 -d`),
    `${size} of ${machineConfigLimit} bytes that all MachineConfigs of a pool may have together.`,
  ]);
}

/** The operator looks at the policy when a MachineConfig comes, also the first time. */
function policyFirst({ renews, kernelArguments }: FirstBoot): string {
  if (kernelArguments.length > 0)
    return 'oc apply --server-side -f kata-sysext.policy.yaml first. Arguments of the kernel reboot the nodes all the same.';
  return renews
    ? 'oc apply --server-side -f kata-sysext.policy.yaml first: then the first installation reboots no node.'
    : 'oc apply --server-side -f kata-sysext.policy.yaml after it: the first installation needs the reboot.';
}

function tooLarge(size: number): KataError {
  return new KataError('generated-too-large', {
    subject: 'machineconfig',
    found: `the MachineConfig would have ${size} bytes`,
    needed: `at most ${machineConfigLimit} bytes, together with the other MachineConfigs of the pool`,
    next: 'let the nodes fetch more of it: kata-sysext generate --help',
  });
}

function pool(role: string): string {
  const label = 'machineconfiguration.openshift.io/role';
  return yaml(
    {
      apiVersion: machineConfiguration,
      kind: 'MachineConfigPool',
      metadata: { name: role },
      spec: {
        machineConfigSelector: { matchExpressions: [{ key: label, operator: 'In', values: ['worker', role] }] },
        nodeSelector: { matchLabels: { [`node-role.kubernetes.io/${role}`]: '' } },
      },
    },
    [
      'Nodes of this pool take the MachineConfigs of the workers, and this one.',
      `Only for a cluster that has no pool ${role} yet: oc create -f kata-sysext.pool.yaml. Of one that is there, such as infra often is, an apply`,
      `would replace the selectors; leave this file out then, and look whether that pool takes the role ${role}:`,
      `oc get machineconfigpool ${role} -o jsonpath='{.spec.machineConfigSelector}'`,
      `To put a node into it: oc label node NODE node-role.kubernetes.io/${role}=`,
    ],
  );
}

function disruptionPolicy({ files, units, renews }: FirstBoot): string {
  const restarts = units.map(({ name }) => ({ type: 'Restart', restart: { serviceName: name } }));
  const actions = [{ type: 'DaemonReload' }, ...(renews ? restarts : [])];
  return yaml(
    {
      apiVersion: 'operator.openshift.io/v1',
      kind: 'MachineConfiguration',
      metadata: { name: 'cluster' },
      spec: {
        nodeDisruptionPolicy: {
          files: files.map(({ path }) => ({ path, actions })),
          units: units.map(({ name }) => ({ name, actions })),
        },
      },
    },
    [
      renews
        ? 'A change of these files runs kata-sysext’s unit again, instead of draining and rebooting the node (OpenShift 4.17 and later).'
        : 'A change of these files neither drains nor reboots a node, and runs nothing there: new nodes get it (OpenShift 4.17 and later).',
      'oc apply --server-side -f kata-sysext.policy.yaml',
    ],
  );
}

/** The same as a Butane configuration: its text can be read, and joined with one's own. */
export function butane(firstBoot: FirstBoot, target: Target, role: string): string {
  const { files, units, kernelArguments } = firstBoot;
  const { variant, version } = target.butane;
  const kernel = kernelArguments.length > 0;
  const document: YamlTable = {
    variant,
    version,
    metadata: target.openshift ? metadata(role) : undefined,
    openshift: target.openshift && kernel ? { kernel_arguments: kernelArguments } : undefined,
    kernel_arguments: !target.openshift && kernel ? { should_exist: kernelArguments } : undefined,
    storage: { files: files.map(({ path, mode, text }) => ({ path, overwrite: true, mode, contents: { inline: text } })) },
    systemd: { units: units.map(({ name, text }) => ({ name, enabled: true, contents: text })) },
  };
  return yaml(document, [firstBoot.title, `butane --strict kata-sysext.bu > kata-sysext.${target.openshift ? 'yaml' : 'ign'}`]);
}
