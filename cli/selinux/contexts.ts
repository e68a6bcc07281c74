import type { HostPath, HostView } from '../host/index.ts';

/** 'system_u:system_r:container_t:s0-s0:c0.c1023': three words, and the range where the policy has ranges. No blank: questions are words. */
const form = /^[\w.-]{1,128}:[\w.-]{1,128}:[\w.-]{1,128}(:[\w.,:-]{1,512})?$/;

export function isContext(text: string): boolean {
  return form.test(text);
}

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

const maxPaths = 200;

/** The labels of these files, links and devices themselves; a file that is gone, or has none, is not in the answer. */
export async function labelsOf(host: HostView, paths: HostPath[]): Promise<Map<HostPath, string>> {
  const found = new Map<HostPath, string>();
  for (let from = 0; from < paths.length; from += maxPaths) {
    const real = new Map<string, HostPath[]>();
    for (const path of paths.slice(from, from + maxPaths)) {
      const located = await host.locate(path);
      real.set(located, [...(real.get(located) ?? []), path]);
    }
    const args = ['--no-dereference', '--absolute-names', '-n', 'security.selinux', '--', ...real.keys()];
    const { stdout } = await host.run('getfattr', args, { accept: [0, 1] });
    for (const [, path, context] of stdout.matchAll(/^# file: (.*)\n[^=\n]*="([^"\\]*)(?:\\000)?"/gm)) {
      const names = real.get(path!.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))) ?? [];
      for (const name of names) if (isContext(context!)) found.set(name, context!);
    }
  }
  return found;
}
