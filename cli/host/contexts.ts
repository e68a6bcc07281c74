import type { HostPath, HostView } from './types.ts';

/** 'system_u:system_r:container_t:s0-s0:c0.c1023': three words, and the range where the policy has ranges. No blank: questions are words. */
const form = /^[\w.-]{1,128}:[\w.-]{1,128}:[\w.-]{1,128}(:[\w.,:-]{1,512})?$/;

export function isContext(text: string): boolean {
  return form.test(text);
}

/** Paths of one call: far below what the kernel takes as arguments (2 MB, and 128 kB each). */
const maxPaths = 1000;

export function pieces<T>(all: T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / maxPaths) }, (_, index) => all.slice(index * maxPaths, (index + 1) * maxPaths));
}

/** The SELinux contexts of these files, folders, links and devices themselves. A path that is not there, or has none, is not in the answer. */
export async function contextsOf(view: HostView, paths: HostPath[]): Promise<Map<HostPath, string>> {
  const found = new Map<HostPath, string>();
  for (const some of pieces(paths)) {
    const real = new Map<string, HostPath[]>();
    for (const path of some) {
      const located = await view.locate(path);
      real.set(located, [...(real.get(located) ?? []), path]);
    }
    const { stdout } = await view.run('getfattr', contextArgs('--', ...real.keys()), { accept: [0, 1] });
    for (const [path, context] of contextsIn(stdout)) for (const name of real.get(path) ?? []) found.set(name, context);
  }
  return found;
}

/** What getfattr is called with. Node has no call for extended attributes. */
export function contextArgs(...more: string[]): string[] {
  return ['--no-dereference', '--absolute-names', '-n', 'security.selinux', ...more];
}

/** What getfattr prints, by real path; what has not the form of a context is left out. */
export function contextsIn(stdout: string): Map<string, string> {
  const blocks = stdout.matchAll(/^# file: (.*)\n[^=\n]*="([^"\\]*)(?:\\000)?"/gm);
  return new Map([...blocks].filter(([, , context]) => isContext(context!)).map(([, path, context]) => [unescapePath(path!), context!]));
}

function unescapePath(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
