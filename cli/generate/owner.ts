import type { FirstBootRequest } from './types.ts';

/** The name sorts after the cluster's own 00 to 98, and the label says for which pool. */
export function metadata(role: string) {
  return { name: `99-${role}-kata-sysext`, labels: { 'machineconfiguration.openshift.io/role': role } };
}

/** What brings a first boot to a node, as `generate` called it. */
export interface Bringer {
  /** Of the MachineConfig. */
  name: string;
  /** The pool that it is for; pools of one's own take those of the workers as well, so that a node may be in another one. */
  role: string;
}

/** The first line of script and unit: a node has only the sum of its MachineConfigs, so this one says its name itself. */
export function titleOf({ version, target }: FirstBootRequest, role: string | undefined): string {
  const made = `Made by kata-sysext ${version} generate for ${target.name}`;
  return role === undefined ? `${made}.` : `${made}: the MachineConfig ${metadata(role).name} of the pool ${role}.`;
}

/** What the title of a script says; undefined where no MachineConfig brings it. */
export function bringerIn(script: string): Bringer | undefined {
  const [, name, role] =
    /^# Made by kata-sysext \S+ generate for \S+: the MachineConfig (\S+) of the pool ([a-z0-9-]+)\.$/m.exec(script) ?? [];
  return name === undefined || role === undefined ? undefined : { name, role };
}
