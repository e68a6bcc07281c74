import type { HostPath, HostView } from '../host/index.ts';
import * as overlay from './overlay/paths.ts';
import * as sysext from './sysext/paths.ts';

/** Links and unit files that a backend of kata-sysext has put outside of its own folders, as far as they are on this host. */
export async function backendPaths(host: HostView): Promise<{ links: HostPath[]; units: HostPath[] }> {
  const links: HostPath[] = [];
  for (const path of sysext.links) if (sysext.isOurs(await host.readlink(path))) links.push(path);
  if ((await host.readlink(sysext.wantsLink)) === sysext.wantsTarget) links.push(sysext.wantsLink);
  const unit = await host.readText(overlay.unitFile);
  if (unit === undefined || !overlay.isOurUnit(unit)) return { links, units: [] };
  if (overlay.isOurLayer(await host.readlink(overlay.link))) links.push(overlay.link);
  if (overlay.isOurWants(await host.readlink(overlay.wantsLink))) links.push(overlay.wantsLink);
  return { links, units: [overlay.unitFile] };
}
