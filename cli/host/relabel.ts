import { access } from 'node:fs/promises';
import { posix } from 'node:path';
import { findProgram, runProgram } from './programs.ts';
import type { HostPath, HostView } from './types.ts';

/**
 * Gives paths of ours, and all below them, the labels that the host's own policy has for them, so that a later relabel changes nothing.
 * Live: only where SELinux is on. Offline: where the tree carries a policy. Nothing happens elsewhere.
 */
export async function relabel(host: HostView, paths: HostPath[]): Promise<void> {
  const there: string[] = [];
  for (const path of paths) if ((await host.lstat(path)) !== undefined) there.push(await host.locate(path));
  if (there.length === 0) return;
  if (host.live) {
    if ((await host.lstat('/sys/fs/selinux/enforce')) === undefined || (await findProgram('restorecon')) === undefined) return;
    await runProgram('restorecon', ['-RF', ...there]);
    return;
  }
  const contexts = await offlineContexts(host);
  if (contexts !== undefined) await runProgram('setfiles', ['-F', '-r', host.root, contexts, ...there], { accept: [0, 1] });
}

/** The file contexts that an offline tree will boot with. */
async function offlineContexts(host: HostView): Promise<string | undefined> {
  const policy = /^SELINUXTYPE=(\S+)/m.exec((await host.readText('/etc/selinux/config')) ?? '')?.[1];
  if (policy === undefined || !/^[\w.-]+$/.test(policy)) return undefined;
  const contexts = posix.join(await host.locate(`/etc/selinux/${policy}`), 'contexts/files/file_contexts');
  return access(contexts).then(
    () => contexts,
    () => undefined,
  );
}
