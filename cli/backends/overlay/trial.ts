import { mountOf, mounts } from '../../facts/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { isOurMount, overlaySource } from './mount.ts';

const [oursRefused, nextRefused] = [10, 11];

/**
 * Ours, or an extension of ours that the overlay takes the place of, goes first; then as our unit does it, and one more. What mount says goes
 * through a pipe of the shell's: SELinux denies it a look at Node's sockets.
 */
const script = `
try() { code=$1; shift; said=$("$@" 2>&1) || { echo "$said" >&2; exit $code; }; }
while grep -q "^[0-9]* [0-9]* $(mountpoint -d /usr) / /usr .* - overlay ${overlaySource} " /proc/self/mountinfo; do try 1 umount -l /usr; done
if [ -d /usr/.systemd-sysext ]; then try 1 umount -l /usr; fi
layers="ro,nodev,lowerdir=/usr:$1"
try ${oursRefused} mount -t overlay -o "$layers" kata-sysext-trial /usr
try ${nextRefused} mount -t overlay -o "$layers" kata-sysext-trial /usr
`;

/**
 * Mounts our overlay, and another one on it, in a mount namespace that goes away with its only process. The second is for others: a system
 * extension that is merged later must find a level. Gives what speaks against it. Call it only where nobody else has extensions merged.
 */
export async function tryOverlays(host: HostView, root: HostPath): Promise<string | undefined> {
  if (!host.live && !(await host.has('unshare'))) return undefined;
  const { code, stderr } = await host.run(
    'unshare',
    ['--mount', '--propagation', 'private', '/bin/sh', '-c', script, 'sh', await nearest(host, root)],
    { timeoutMs: 20_000, accept: [...Array(128).keys()] },
  );
  // While the host boots, only what the kernel says of an overlay counts: a trial that cannot be made is no reason to give anything up.
  if (code === 0 || (!host.live && ![oursRefused, nextRefused].includes(code))) return undefined;
  const said = stderr.trim().split('\n')[0] ?? '';
  const base = mountOf(
    (await mounts(host)).filter((mount) => !isOurMount(mount)),
    '/usr',
  );
  const lies = `/usr lies on ${base?.type === 'overlay' ? `an overlay already (${base.source})` : `${base?.source} (${base?.type})`}`;
  if (code === nextRefused)
    return `${lies}: ours would take the last level that the kernel has, and extensions of others could not be merged any more`;
  return `the kernel refuses an overlay over /usr; ${lies}, and at most two can be stacked: ${said}`;
}

/** The payload's own folder may not be there yet; its file system is. */
async function nearest(host: HostView, path: HostPath): Promise<HostPath> {
  if ((await host.stat(path))?.kind === 'directory' || path === '/') return path;
  return nearest(host, path.slice(0, path.lastIndexOf('/')) || '/');
}
