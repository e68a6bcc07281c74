import type { Finding } from '../errors/index.ts';
import { mounts } from '../facts/index.ts';
import { type Digest, type HostPath, type HostView, textSeenBy } from '../host/index.ts';
import { extensionRelease, type GenerationManifest, insideExtension, payloadOfRelease } from '../store/index.ts';
import { unseenFiles } from './seen.ts';

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

/** What keeps processes from finding the files of a generation below /usr. `how`: 'merged' or 'mounted', for the message. */
export async function seenBelowUsr(host: HostView, to: GenerationManifest, pids: number[], how: string): Promise<string[]> {
  const shown = await mergedPayload(host);
  const problems =
    shown === to.payload
      ? []
      : [`PID 1 has ${shown === 'absent' ? 'no payload of kata-sysext' : `the payload ${shown}`} ${how}, not ${to.payload}`];
  return [...problems, ...(await unseenFiles(host, to, pids, mountPointOf()))];
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
