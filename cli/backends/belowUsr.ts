import type { Finding } from '../errors/index.ts';
import { digestSeenBy, type HostPath, type HostView } from '../host/index.ts';
import { type GenerationManifest, insideExtension } from '../store/index.ts';
import { mergedPayload } from '../transaction/index.ts';

/** Where processes find the files of a payload that is seen below /usr. */
export function mountPointOf(): HostPath {
  return `/${insideExtension}`;
}

/**
 * What keeps processes from finding a generation's shims below /usr. In the mount namespace of each, by bytes: what a tool says that merges
 * or mounts is not what an engine sees that has mounts of its own. `how`: 'merged' or 'mounted', for the message.
 */
export async function seenBelowUsr(host: HostView, to: GenerationManifest, pids: number[], how: string): Promise<string[]> {
  const shown = await mergedPayload(host);
  const problems =
    shown === to.payload ? [] : [`PID 1 has ${shown === 'absent' ? 'nothing of ours' : `the payload ${shown}`} ${how}, not ${to.payload}`];
  const shims = new Map(to.handlers.map((handler) => [`${mountPointOf()}/${handler.shim}`, handler.shimDigest]));
  for (const pid of new Set(pids)) {
    for (const [path, digest] of shims) {
      const seen = await digestSeenBy(host, pid, path);
      if (seen !== digest) problems.push(`process ${pid} ${seen === undefined ? 'does not see' : 'sees other bytes at'} ${path}`);
    }
  }
  return problems;
}

/** Files of others at the place where ours appear. */
export async function baseTaken({ host }: { host: HostView }): Promise<Finding[]> {
  const base = mountPointOf();
  if ((await host.lstat(base)) === undefined || (await mergedPayload(host)) !== 'absent') return [];
  return [
    {
      code: 'foreign-file',
      level: 'blocker',
      subject: base,
      found: `${base} is there already, and not from us`,
      needed: `no files at ${base}`,
      next: `find out whose they are (rpm -qf ${base}; dpkg -S ${base}); or use backend prefix: --backend prefix`,
    },
  ];
}
