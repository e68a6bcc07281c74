import { release } from 'node:os';
import type { HostView } from '../host/index.ts';
import { pointer } from '../store/index.ts';

/** Keys of os-release(5) that tell one operating system's version from another. */
const keys = ['ID', 'VERSION_ID', 'VARIANT_ID', 'BUILD_ID', 'IMAGE_ID', 'IMAGE_VERSION', 'OSTREE_VERSION', 'OPENSHIFT_VERSION'];

/**
 * The drop-in that says: this generation was blessed on this operating system. As long as all of it is so, systemd itself skips the guard
 * (conditions with `|` are triggers: one that holds is enough to run). ConditionOSRelease is known from systemd 249 on; before, the
 * kernel's version and command line decide alone.
 */
export async function blessingText(host: HostView, generation: number): Promise<string> {
  const lines = [
    `# kata-sysext: generation ${generation} is blessed on this operating system.`,
    '[Unit]',
    'ConditionDirectoryNotEmpty=|/var/lib/kata-sysext/journal',
    `ConditionPathIsSymbolicLink=|!${pointer}`,
    ...(await identity(host)).map((condition) => `Condition${condition}`),
  ];
  return `${lines.join('\n')}\n`;
}

async function identity(host: HostView): Promise<string[]> {
  const text = (await host.readText('/etc/os-release')) ?? (await host.readText('/usr/lib/os-release')) ?? '';
  const values = new Map([...text.matchAll(/^([A-Z_]+)=(["']?)([\w.:~+-]*)\2\s*$/gm)].map(([, key, , value]) => [key!, value!]));
  const deployment = /(?:^|\s)((?:ostree|composefs)=\S+)/.exec((await host.readText('/proc/cmdline')) ?? '')?.[1];
  return [
    ...keys.flatMap((key) => (values.has(key) ? [`OSRelease=|!${key}=${values.get(key)}`] : [])),
    `KernelVersion=|!${release()}`,
    ...(deployment === undefined || /["'%\\]/.test(deployment) ? [] : [`KernelCommandLine=|!${deployment}`]),
  ];
}
