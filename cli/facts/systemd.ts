import type { HostView } from '../host/index.ts';
import { type Fact, known, unknown } from './types.ts';

const folders = [
  '/usr/lib/systemd',
  '/usr/lib64/systemd',
  '/usr/lib/x86_64-linux-gnu/systemd',
  '/usr/lib/aarch64-linux-gnu/systemd',
  '/usr/lib/powerpc64le-linux-gnu/systemd',
  '/usr/lib/s390x-linux-gnu/systemd',
];

/** Major version of the systemd whose programs are on the host, by the name of their shared library: it is the same live and offline. */
export async function systemdVersion(host: HostView): Promise<Fact<number>> {
  for (const folder of folders) {
    for (const name of await host.readdir(folder)) {
      const found = /^libsystemd-shared-v?(\d+)/.exec(name)?.[1];
      if (found !== undefined) return known(Number(found), `${folder}/${name}`);
    }
  }
  return unknown(`there is no libsystemd-shared in ${folders.slice(0, 2).join(' or ')}`);
}
