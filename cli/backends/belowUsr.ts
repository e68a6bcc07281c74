import type { Finding } from '../errors/index.ts';
import { mounts } from '../facts/index.ts';
import { type Digest, digestSeenBy, type HostPath, type HostView, textSeenBy } from '../host/index.ts';
import { extensionRelease, type GenerationManifest, insideExtension, payloadOfRelease } from '../store/index.ts';

/** Which payload PID 1 has below /usr. */
export async function mergedPayload(host: HostView): Promise<Digest | 'absent'> {
  return payloadOfRelease(await textSeenBy(host, 1, `/${extensionRelease}`)) ?? 'absent';
}

/** Mount points below /usr that are not systemd-sysext's own. */
export async function mountsBelowUsr(host: HostView): Promise<string[]> {
  const points = (await mounts(host, 1)).map(({ point }) => point).filter((point) => point.startsWith('/usr/'));
  return [...new Set(points)].sort();
}

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
    shown === to.payload
      ? []
      : [`PID 1 has ${shown === 'absent' ? 'no payload of kata-sysext' : `the payload ${shown}`} ${how}, not ${to.payload}`];
  const shims = new Map(to.handlers.map((handler) => [`${mountPointOf()}/${handler.shim}`, handler.shimDigest]));
  for (const pid of new Set(pids)) {
    for (const [path, digest] of shims) {
      const seen = await digestSeenBy(host, pid, path);
      if (seen !== digest) problems.push(`process ${pid} ${seen === undefined ? 'does not see' : 'sees other bytes at'} ${path}`);
    }
  }
  return problems;
}

/** Foreign files at the mount point of the payload. */
export async function baseTaken({ host }: { host: HostView }): Promise<Finding[]> {
  const base = mountPointOf();
  if ((await host.lstat(base)) === undefined || (await mergedPayload(host)) !== 'absent') return [];
  return [
    {
      code: 'foreign-file',
      level: 'blocker',
      subject: base,
      found: `${base} is present, and kata-sysext did not make it`,
      needed: `no files at ${base}`,
      next: `find out whose they are (rpm -qf ${base}; dpkg -S ${base}); or use backend prefix: --backend prefix`,
    },
  ];
}
