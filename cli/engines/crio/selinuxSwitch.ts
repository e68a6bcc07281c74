import { posix } from 'node:path';
import { valueAt } from '../../documents/toml/index.ts';
import type { HostView } from '../../host/types.ts';
import type { Overlay } from '../common/filesView.ts';
import { cannotTurnOn } from '../common/selinuxSwitch.ts';
import type { Instance, SwitchFile } from '../types.ts';
import { settingsOf } from './handlers.ts';
import { type ConfigSet, folderOf, loadSet } from './loader.ts';

export const switchSetting = 'selinux = true in [crio.runtime]';

const text = `# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.
# SELinux labels of all pods, turned on by kata-sysext (--allow engine-selinux).
[crio.runtime]
selinux = true
`;

/** See `Engine.selinux.turnOn`: a drop-in that sorts last. Without the key CRI-O does as the host does. */
export async function turnOnCrio(host: HostView, instance: Instance, files: Overlay): Promise<SwitchFile[]> {
  if (lastSaying(await loadSet(host, instance, files))?.value !== false) return [];
  const path = posix.join(await host.realpath(folderOf(instance)), 'zz-kata-sysext-selinux.conf');
  const last = lastSaying(await loadSet(host, instance, new Map([...files, [path, text]])));
  if (last?.value !== false) return [{ mark: { path, kind: 'file', text }, after: text }];
  throw cannotTurnOn('CRI-O', instance, `${last.path} says otherwise, and CRI-O reads it after ${path}`, switchSetting);
}

function lastSaying({ files }: ConfigSet): { path: string; value: unknown } | undefined {
  const said = files.map(({ path, doc }) => ({ path, value: valueAt(settingsOf(doc.value), ['crio', 'runtime', 'selinux']) }));
  return said.findLast(({ value }) => typeof value === 'boolean');
}
