import {
  type Extension,
  type Fact,
  findExtensions,
  type HostFacts,
  type Merged,
  mergedExtensions,
  systemdVersion,
} from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { extensionName } from '../../store/index.ts';
import type { UnitState } from '../../systemd/types.ts';
import { mountsBelowUsr } from '../belowUsr.ts';
import { service } from './paths.ts';

/** What the checks look at, read once. */
export interface Scene {
  host: HostView;
  systemd: Fact<number>;
  /** Merged by others. */
  merged: Merged[];
  /** In the search folders, by others. */
  found: Extension[];
  unit: UnitState | undefined;
  mounts: string[];
  facts?: HostFacts | undefined;
}

export async function readScene(host: HostView, facts?: HostFacts): Promise<Scene> {
  const systemd = await systemdVersion(host);
  const merged = host.live && (await host.has('systemd-sysext')) ? await mergedExtensions(host) : [];
  const foreign = (name: string) => name !== extensionName;
  return {
    host,
    systemd,
    merged: merged.map((row) => ({ ...row, names: row.names.filter(foreign) })),
    found: (await findExtensions(host, systemd.known ? systemd.value : 0)).filter(({ name }) => foreign(name)),
    unit: await (await host.systemd())?.unit(service),
    mounts: await mountsBelowUsr(host),
    facts,
  };
}
