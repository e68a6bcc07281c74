import type { HostView } from '../host/index.ts';
import { numberAt, pointer } from './paths.ts';

/** Generations that other ostree deployments of this host point at: their /etc has a pointer of its own, /var is shared. */
export async function pointedElsewhere(host: HostView): Promise<Set<number>> {
  const found = new Set<number>();
  const own = await host.stat('/etc');
  for (const os of await host.readdir('/ostree/deploy')) {
    for (const deployment of await host.readdir(`/ostree/deploy/${os}/deploy`)) {
      const etc = `/ostree/deploy/${os}/deploy/${deployment}/etc`;
      const stat = await host.stat(etc);
      if (stat === undefined || (stat.inode === own?.inode && stat.device === own.device)) continue;
      const target = await host.readlink(`${etc}${pointer.slice('/etc'.length)}`);
      const number = numberAt(target);
      if (number !== undefined) found.add(number);
    }
  }
  return found;
}
