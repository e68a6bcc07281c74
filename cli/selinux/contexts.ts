import { type HostView, isContext } from '../host/index.ts';

/** The type of a context, which is the domain of a process. */
export function typeOf(context: string): string {
  return context.split(':')[2] ?? '';
}

/** The context of a running process; undefined where it has ended. */
export async function contextOfProcess(host: HostView, pid: number): Promise<string | undefined> {
  const text = (await host.readText(`/proc/${pid}/attr/current`).catch(() => undefined))?.replace(/\0$/, '').trim();
  return text !== undefined && isContext(text) ? text : undefined;
}

/**
 * The context that engines give to virtual machines: `kvm_process` of lxc_contexts, else `process`, with two categories as every pod gets
 * (opencontainers/selinux, KVMContainerLabels). undefined: engines set none with this policy.
 */
export async function vmContext(host: HostView, policy: string): Promise<string | undefined> {
  if (!/^[\w.-]{1,64}$/.test(policy)) return undefined;
  return vmContextIn((await host.readText(`/etc/selinux/${policy}/contexts/lxc_contexts`, 'configuration')) ?? '');
}

/** The same of the file's text. Exported for its spec. */
export function vmContextIn(text: string): string | undefined {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, value] = /^\s*([a-z_]+)\s*=\s*"?([^"\s]+)"?\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined && isContext(value)) found.set(key, value);
  }
  const context = found.get('kvm_process') ?? found.get('process');
  if (context === undefined) return undefined;
  const [user, role, type, level] = context.split(':');
  return level === undefined ? context : `${user}:${role}:${type}:${level}:c1,c2`;
}
