import type { HostView } from '../host/index.ts';
import { type Fact, known, unknown } from './types.ts';

/** How many huge pages of the default size are reserved now. */
export async function reservedHugepages(host: HostView): Promise<Fact<number>> {
  if (!host.live) return unknown('an offline tree has no memory');
  const said = /^HugePages_Total:\s+(\d+)/m.exec((await host.readText('/proc/meminfo')) ?? '')?.[1];
  return said === undefined ? unknown('/proc/meminfo has no HugePages_Total') : known(Number(said), '/proc/meminfo');
}
