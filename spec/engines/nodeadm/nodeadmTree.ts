import assert from 'node:assert/strict';
import toml from '@iarna/toml';
import { parse as parseYaml } from 'yaml';
import { nodeadm } from '../../../cli/engines/nodeadm/index.ts';
import type { Wiring, WiringPlan } from '../../../cli/engines/types.ts';
import type { HostView } from '../../../cli/host/types.ts';
import { type EngineTree, handler } from '../../support/trees/engineTree.ts';
import { newId, newText, oldId } from '../containerdPlans.ts';

export const folder = '/etc/eks/nodeadm.d';
export const wiringFile = `${folder}/90-kata-sysext.yaml`;
export const cache = '/run/eks/nodeadm/config.json';
export const rendered = '/etc/containerd/config.toml';
export const secret = 'secret-of-the-node';
export const runStart = '/usr/bin/nodeadm init --skip config --config-source imds://user-data --config-source file:///etc/eks/nodeadm.d/';
export const node = {
  '/usr/bin/containerd': '',
  '/usr/lib/systemd/system/containerd.service': '[Service]\nExecStart=/usr/bin/containerd\n',
  '/etc/systemd/system/nodeadm-run.service': `[Service]\nType=oneshot\nExecStart=${runStart} --config-cache ${cache}\n`,
  '/etc/systemd/system/multi-user.target.wants/nodeadm-run.service': '',
  [`${folder}/README`]: 'spec: [',
  [`${folder}/50-old.yaml~`]: 'spec: [',
};
export const names = ['kata-qemu', 'kata-clh'];

export const v2 = `[plugins."${oldId}".containerd]\ndiscard_unpacked_layers = false\n`;
export const v3 = `[plugins."${newId}"]\nenable_selinux = true\n`;
export const images = '[plugins."io.containerd.cri.v1.images"]\nsnapshotter = "soci"\n';
export const importing = 'imports = ["/etc/containerd/conf.d/*.toml"]\n';

export function nodeConfig(config: string): string {
  return `---\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  containerd:\n    config: ${JSON.stringify(config)}\n`;
}

/** As nodeadm writes it: what it merged in this boot, and what no one else shall see. */
export function cached(config: string): string {
  const cluster = { name: 'mine', certificateAuthority: secret };
  const containerd = config === '' ? {} : { config };
  return JSON.stringify({ apiVersion: 'node.eks.aws/__internal', kind: 'NodeConfig', spec: { cluster, containerd } });
}

/** A tree as the boot guard and a live change see it: nodeadm has run in this boot. */
export function booted(tree: EngineTree): HostView {
  return { ...tree.host, booted: true };
}

export async function planOn(host: HostView, tree: EngineTree, version: string, recorded?: Wiring, wanted = names): Promise<WiringPlan> {
  const [instance] = await nodeadm.detect(tree.host, version);
  return nodeadm.plan(host, instance!, wanted.map(handler), recorded);
}

/** The plugin of the handlers in the planned file, and what both readers find there. */
export function planned(plan: WiringPlan): { text: string; plugin: string; runtimes: unknown } {
  const text = newText(plan.changes.find(({ path }) => path === wiringFile));
  const { apiVersion, kind, spec } = parseYaml(text) as { apiVersion: string; kind: string; spec: { containerd: { config: string } } };
  assert.deepEqual(
    [apiVersion, kind, Object.keys(spec), Object.keys(spec.containerd)],
    ['node.eks.aws/v1alpha1', 'NodeConfig', ['containerd'], ['config']],
  );
  const { plugins } = toml.parse(spec.containerd.config) as unknown as { plugins: Record<string, { containerd: { runtimes: unknown } }> };
  const [plugin, ...others] = Object.keys(plugins);
  assert.deepEqual(others, []);
  return { text, plugin: plugin!, runtimes: plugins[plugin!]!.containerd.runtimes };
}
