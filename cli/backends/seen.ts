import { canLookAt, type Digest, digestSeenBy, type HostPath, type HostView } from '../host/index.ts';
import { type GenerationManifest, pointer } from '../store/index.ts';

/**
 * What keeps processes from finding the shims of a generation below `payload`, and its configurations, in words. In the mount namespace of each,
 * by bytes: what a tool says that merges or mounts is not what an engine sees that has mounts of its own. A process that has ended,
 * or that cannot be looked at, is left out. Nothing runs in a tree.
 */
export async function unseenFiles(host: HostView, to: GenerationManifest, pids: number[], payload: HostPath): Promise<string[]> {
  if (!host.booted) return [];
  const problems: string[] = [];
  const files = await expected(host, to, payload);
  const read = new Map<string, Digest>();
  for (const pid of new Set(pids)) {
    for (const [path, digest] of files) {
      const seen = await digestSeenBy(host, pid, path, read);
      if (seen === digest || (seen === undefined && !(await canLookAt(pid)))) continue;
      problems.push(`process ${pid} ${seen === undefined ? 'does not see' : 'sees other bytes at'} ${path}`);
    }
  }
  return problems;
}

/** A configuration as it is: whether one was edited is another question. */
async function expected(host: HostView, to: GenerationManifest, payload: HostPath): Promise<Map<HostPath, Digest>> {
  const files = new Map(to.handlers.map(({ shim, shimDigest }) => [`${payload}/${shim}`, shimDigest]));
  for (const { name, configurationDigest } of to.handlers) {
    const path = `${pointer}/config/${name}/configuration.toml`;
    files.set(path, (await host.digest(path)) ?? configurationDigest);
  }
  return files;
}
