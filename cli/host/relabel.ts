import { writeFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { errnoOf } from '../errors/index.ts';
import { contextArgs, contextsIn } from './contexts.ts';
import { findProgram, runProgram } from './programs.ts';
import { steady } from './steady.ts';
import type { HostPath, HostView } from './types.ts';

/**
 * Gives kata-sysext's paths, and all below them, the labels that the host's own policy has for them, so that a later relabel changes
 * nothing. Live: only where SELinux is on. Offline: where the tree carries a policy. Nothing happens elsewhere.
 */
export async function relabel(host: HostView, paths: HostPath[]): Promise<boolean> {
  // The labels of an image are made when it is deployed, by its own policy: layers of containers carry none.
  if (host.image) return false;
  const there: HostPath[] = [];
  for (const path of paths) if ((await host.lstat(path)) !== undefined) there.push(path);
  if (there.length === 0) return false;
  if (host.booted) {
    if ((await host.lstat('/sys/fs/selinux/enforce')) === undefined || (await findProgram('restorecon')) === undefined) return false;
    await steady(host, there, (...real) => runProgram('restorecon', ['-RF', ...real]));
    return true;
  }
  const contexts = await offlineContexts(host);
  if (contexts === undefined) return false;
  await steady(host, there, (...real) => runProgram('setfiles', ['-F', '-r', host.root, contexts.real, ...real], { accept: [0, 1] }));
  return true;
}

/** The file contexts that an offline tree will boot with. */
export async function offlineContexts(host: HostView): Promise<{ real: string; policies: HostPath } | undefined> {
  const policy = /^SELINUXTYPE=(\S+)/m.exec((await host.readText('/etc/selinux/config')) ?? '')?.[1];
  if (policy === undefined || !/^[\w.-]+$/.test(policy)) return undefined;
  const contexts = `/etc/selinux/${policy}/contexts/files/file_contexts`;
  if ((await host.stat(contexts))?.kind !== 'file') return undefined;
  // Every link followed inside the tree: setfiles itself would follow the last one out of it.
  return { real: posix.join(host.root, await host.realpath(contexts)), policies: `/etc/selinux/${policy}/policy` };
}

/** Of a folder and all below it, by one getfattr. */
export async function readLabels(host: HostView, folder: HostPath): Promise<Map<HostPath, string>> {
  const real = await host.locate(folder);
  const { stdout } = await runProgram('getfattr', contextArgs('--recursive', '--physical', real), { accept: [0, 1] });
  return new Map([...contextsIn(stdout)].map(([path, context]) => [posix.join(folder, posix.relative(real, path)), context]));
}

/** One setfattr for all, in the format that getfattr dumps. */
export async function setLabels(host: HostView, labels: Map<HostPath, string>): Promise<void> {
  const contexts = [...labels.values()];
  await steady(host, [...labels.keys()], (...real) => {
    const blocks = real.map((path, index) => `# file: ${escapePath(path)}\nsecurity.selinux="${contexts[index]}"\n`);
    // In this order: setfattr restores as soon as it reads that option.
    return runProgram('setfattr', ['--no-dereference', '--restore=-'], { input: blocks.join('\n') });
  });
}

/** The kernel answers for the loaded policy; of an offline tree the policy file itself is searched for the name. */
export async function knowsType(host: HostView, type: string): Promise<boolean> {
  if (host.booted) {
    try {
      await writeFile('/sys/fs/selinux/context', `system_u:object_r:${type}:s0`);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EINVAL') return false;
      throw error;
    }
  }
  const contexts = await offlineContexts(host);
  if (contexts === undefined) return false;
  const names = await host.readdir(contexts.policies);
  const files = names.length > 0 ? names.map((name) => `${contexts.policies}/${name}`) : [`/${posix.relative(host.root, contexts.real)}`];
  for (const file of files) if ((await host.readFile(file)).includes(type)) return true;
  return false;
}

function escapePath(path: string): string {
  return path.replace(/[\\\n\r]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
