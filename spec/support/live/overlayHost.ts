import { readFileSync } from 'node:fs';
import { fingerprint } from '../judges/fingerprint.ts';
import { containerd, type Live } from './liveHost.ts';

export const unit = 'kata-sysext-overlay.service';
const folders = ['etc', 'usr', 'opt', 'var', 'boot'];
/** What the engine, systemd and the lab write themselves. */
const leftOut = ['var/lib/containerd', 'var/log', 'var/lib/systemd', 'var/tmp', 'var/cache'];

/** Every mount on /usr that PID 1 has besides the host's own, by its type and source, from the kernel's table. */
export function overlays({ host }: Live): string[] {
  const lines = readFileSync(`/proc/${host.leader}/mountinfo`, 'utf8').split('\n');
  return lines.flatMap((line) => (line.split(' ')[4] === '/usr' ? (/ - (overlay \S+) /.exec(line) ?? []).slice(1) : []));
}

/** The disk by digests, and what is mounted on /usr and below it. */
export function diskPrint(live: Live): string[] {
  return [...fingerprint(live.host.root, folders, leftOut), `on /usr: ${overlays(live).join()}`];
}

/** /usr as PID 1 sees it, through whatever is mounted there: files, modes, owners, labels. Without the names that are ours. */
export function usrSeen({ host }: Live): string[] {
  const ours = /\.\/usr\/(share\/kata|lib\/extension-release\.d)(\/|\||$)/m;
  return fingerprint(`/proc/${host.leader}/root`, ['usr'], ['usr/share/kata', 'usr/lib/extension-release.d']).filter(
    (line) => !ours.test(line),
  );
}

/** Whether our unit had ended before the engine was started in this boot, by PID 1's clock. */
export async function beforeEngine({ host }: Live): Promise<boolean> {
  const at = async (name: string, property: string) => Number((await host.run(['systemctl', 'show', name, '-P', property])).stdout.trim());
  const [mounted, started] = [await at(unit, 'ActiveEnterTimestampMonotonic'), await at(containerd, 'ExecMainStartTimestampMonotonic')];
  return mounted > 0 && mounted < started;
}
