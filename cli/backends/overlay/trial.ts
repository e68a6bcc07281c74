import { mountOf, mounts } from '../../facts/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { isOurMount, overlaySource } from './mount.ts';

const [oursRefused, nextRefused] = [10, 11];

/**
 * The script unmounts kata-sysext's overlay, or its extension that the overlay is to replace. Then it mounts the overlay as the unit does, and
 * a second one on it. The messages of mount(8) go through a pipe of the shell: SELinux denies mount(8) the sockets that Node gives its children.
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
 * Mounts kata-sysext's overlay, and a second one on it, in a mount namespace that ends with its only process. The second one proves that
 * another program can still merge a system extension: the kernel limits how many overlays are stacked. Returns why it is impossible. Call it
 * only when no other program has extensions merged.
 */
export async function tryOverlays(host: HostView, root: HostPath): Promise<string | undefined> {
  if (!host.live && !(await host.has('unshare'))) return undefined;
  const { code, stderr } = await host.run(
    'unshare',
    ['--mount', '--propagation', 'private', '/bin/sh', '-c', script, 'sh', await nearest(host, root)],
    { timeoutMs: 20_000, accept: [...Array(128).keys()] },
  );
  // While the host boots, only the kernel's refusal of an overlay counts: a trial that cannot run is no reason for a rollback.
  if (code === 0 || (!host.live && ![oursRefused, nextRefused].includes(code))) return undefined;
  const said = stderr.trim().split('\n')[0] ?? '';
  const base = mountOf(
    (await mounts(host)).filter((mount) => !isOurMount(mount)),
    '/usr',
  );
  const lies = `/usr lies on ${base?.type === 'overlay' ? `an overlay already (${base.source})` : `${base?.source} (${base?.type})`}`;
  if (code === nextRefused)
    return `${lies}: kata-sysext’s overlay would take the last level that the kernel allows, and no system extension of others could be merged`;
  return `the kernel refuses an overlay over /usr; ${lies}, and at most two can be stacked: ${said}`;
}

/** The payload's own folder may not be there yet; its file system is. */
async function nearest(host: HostView, path: HostPath): Promise<HostPath> {
  if ((await host.stat(path))?.kind === 'directory' || path === '/') return path;
  return nearest(host, path.slice(0, path.lastIndexOf('/')) || '/');
}
