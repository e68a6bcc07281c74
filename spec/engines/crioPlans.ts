import toml from '@iarna/toml';
import { crio } from '../../cli/engines/crio/index.ts';
import type { Instance, Wiring, WiringPlan } from '../../cli/engines/types.ts';
import { type EngineTree, handler } from '../support/trees/engineTree.ts';

export const folder = '/etc/crio/crio.conf.d';
export const ours = `${folder}/50-kata-sysext.conf`;
export const main = '/etc/crio/crio.conf';
/** What a package of CRI-O brings. */
export const packaged = '[crio.runtime]\ndefault_runtime = "crun"\n[crio.runtime.runtimes.crun]\nruntime_path = "/usr/libexec/crio/crun"\n';

/** Our file with two handlers, byte for byte. */
export const whole = `# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.

[crio.runtime.runtimes.kata-qemu]
runtime_path = "/etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2"
runtime_type = "vm"
runtime_root = "/run/vc"
runtime_config_path = "/etc/kata-sysext/current/config/kata-qemu/configuration.toml"
privileged_without_host_devices = true

[crio.runtime.runtimes.kata-clh]
runtime_path = "/etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2"
runtime_type = "vm"
runtime_root = "/run/vc"
runtime_config_path = "/etc/kata-sysext/current/config/kata-clh/configuration.toml"
privileged_without_host_devices = true
`;

/** The CRI-O that reads these files; `also`: what is different about it. */
export function instance(also: Partial<Instance> = {}): Instance {
  return { engine: 'crio', configPath: main, configFolder: folder, socket: '/var/run/crio/crio.sock', ...also };
}

export function plan(tree: EngineTree, names: string[], recorded?: Wiring, also: Partial<Instance> = {}): Promise<WiringPlan> {
  return crio.plan(tree.host, instance(also), names.map(handler), recorded);
}

/** The tables of handlers in a text, read by a TOML library. */
export function runtimesIn(text: string): Record<string, Record<string, unknown>> {
  return (toml.parse(text) as never as { crio: { runtime: { runtimes: Record<string, Record<string, unknown>> } } }).crio.runtime.runtimes;
}
