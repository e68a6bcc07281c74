import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { parsed } from '../judges/generated.ts';
import { run } from '../program.ts';
import { put, type TreeName } from './hostTrees.ts';
import { releases, scratch, type TreeHost, treeHost } from './treeHost.ts';

export const firstBoot = {
  unit: 'kata-sysext-first-boot.service',
  script: 'etc/kata-sysext-first-boot/hook.sh',
  unitFile: 'etc/systemd/system/kata-sysext-first-boot.service',
  link: 'etc/systemd/system/multi-user.target.wants/kata-sysext-first-boot.service',
};

/** Where the machine-config-daemon notes what it wrote. */
export const currentConfig = 'etc/machine-config-daemon/currentconfig';

interface Ignition {
  storage: { files: { path: string; mode: number; contents: { source: string } }[] };
  systemd: { units: { name: string; contents: string }[] };
}

interface Row {
  tree: TreeName;
  engine: string;
}

const rows: Record<string, Row> = { fcos: { tree: 'fcos', engine: 'crio@1.34' }, 'openshift-4.19': { tree: 'rhcos', engine: 'crio@1.32' } };

/** A tree with CRI-O's configuration in the place of containerd's. */
export function crioTree(tree: TreeName, engine: string, prepare: (root: string) => void = () => undefined): TreeHost {
  const ready = (root: string) => {
    rmSync(join(root, 'etc/containerd'), { recursive: true });
    mkdirSync(join(root, 'etc/crio/crio.conf.d'), { recursive: true });
    put(root, 'etc/crio/crio.conf.d/10-crio.conf', '[crio.runtime.runtimes.runc]\nruntime_path = "/usr/bin/runc"\n');
    prepare(root);
  };
  return treeHost(tree, ready, { engine });
}

/**
 * A node after its first boot in the form *rendered*: what Ignition wrote, or a MachineConfig for OpenShift, and what the script did then.
 * `pool` is the node's own, which takes the MachineConfigs of the workers as well.
 */
export async function renderedTree(target: 'fcos' | 'openshift-4.19', more: string[] = [], pool = 'worker'): Promise<TreeHost> {
  const { first } = await releases();
  const kind = target === 'fcos' ? 'ignition' : 'machineconfig';
  const { tree, engine } = rows[target]!;
  const out = scratch('rendered');
  const request = ['--target', target, '--form', 'rendered', '--engine', engine, '--from', 'https://files.example.org/kata', '-o', out];
  const made = await run(['generate', kind, first, ...request, ...more]);
  if (made.status !== 0) throw new Error(made.stderr);
  const config = (kind === 'ignition' ? JSON.parse(text(out, 'kata-sysext.ign')) : machineConfigIn(out)) as Ignition;
  const archive = readdirSync(out).find((name) => name.endsWith('.tar.gz'))!;
  const host = crioTree(tree, engine, (root) => {
    for (const { path, mode, contents } of config.storage.files) put(root, path.slice(1), bytesOf(contents.source), mode);
    for (const { name, contents } of config.systemd.units) put(root, `etc/systemd/system/${name}`, contents);
    mkdirSync(join(root, firstBoot.link, '..'), { recursive: true });
    symlinkSync(`/${firstBoot.unitFile}`, join(root, firstBoot.link));
    execFileSync('tar', ['-xzf', join(out, archive), '-C', root]);
    put(root, stampOf(root), '');
    if (target !== 'fcos') put(root, currentConfig, machineConfig(config, [], `rendered-${pool}-0123456789abcdef0123456789abcdef`), 0o600);
  });
  rmSync(out, { recursive: true });
  return host;
}

function text(folder: string, name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

/** The configuration that a generated MachineConfig holds. */
export function machineConfigIn(folder: string): Ignition {
  return parsed(text(folder, 'kata-sysext.machineconfig.yaml'))['spec'].config as Ignition;
}

/** The mark that the script made, from the script itself. */
export function stampOf(root: string): string {
  return /^stamp=\/(\S+)$/m.exec(readFileSync(join(root, firstBoot.script), 'utf8'))![1]!;
}

/** The rendered MachineConfig of a pool, as the daemon notes it. */
export function machineConfig(
  config: object,
  extensions: string[] = [],
  name = 'rendered-worker-0123456789abcdef0123456789abcdef',
): string {
  const kind = { apiVersion: 'machineconfiguration.openshift.io/v1', kind: 'MachineConfig' };
  return JSON.stringify({ ...kind, metadata: { name }, spec: { config, extensions, kernelArguments: [] } });
}

/** A MachineConfig that has these files and nothing else. */
export function owning(paths: string[]): string {
  const files = paths.map((path) => ({ path, mode: 0o644, contents: { source: 'data:,' } }));
  return machineConfig({ ignition: { version: '3.5.0' }, storage: { files } });
}

export function bytesOf(source: string): Buffer {
  return Buffer.from(source.slice(source.indexOf(',') + 1), 'base64');
}
