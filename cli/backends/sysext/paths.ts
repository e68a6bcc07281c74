import { posix } from 'node:path';
import { pathWord } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { extensionAround, extensionName, type GenerationManifest, imageName } from '../../store/index.ts';

export const extensionsFolder: HostPath = '/etc/extensions';
/**
 * The link that enables the extension of kata-sysext. It is in the deployment's own /etc, so that an OS rollback takes it along
 * (docs/facts/hosts.md#what-an-os-rollback-takes-back).
 */
export const link: HostPath = `${extensionsFolder}/${extensionName}`;
/** The same for an image: systemd tells a folder and an image apart by the name. */
export const imageLink: HostPath = `${extensionsFolder}/${imageName}`;
export const links: HostPath[] = [link, imageLink];
export const service = 'systemd-sysext.service';
const wantsFolders = ['/etc', '/run', '/usr/local/lib', '/usr/lib'].map((folder) => `${folder}/systemd/system`);
export const wantsFolder: HostPath = '/etc/systemd/system/sysinit.target.wants';
export const wantsLink: HostPath = `${wantsFolder}/${service}`;
/** systemctl writes absolute targets; the relative target marks the link that kata-sysext made. systemd only reads the link's name. */
export const wantsTarget = `../../../../usr/lib/systemd/system/${service}`;

/** The link that a generation needs, and the folder or image that systemd-sysext is to merge. */
export async function extensionOf(host: HostView, to: GenerationManifest): Promise<{ path: HostPath; target: HostPath }> {
  // Its real path: the link must not lead through what a merge changes.
  const folder = await host.realpath(extensionAround(to.payloadFolder));
  return to.format === 'directory' ? { path: link, target: folder } : { path: imageLink, target: `${folder}/${imageName}` };
}

export function isOurs(target: string | undefined): boolean {
  return /^\/.*\/kata-sysext\/tree\/[0-9a-f]{64}(\/kata\.raw)?$/.test(target ?? '');
}

/** The command that takes something out of a folder of extensions, each name of which is one. A tree may have no /root, or a link there. */
export function moveAway(host: HostView, path: HostPath): string {
  const above = posix.dirname(posix.dirname(path));
  const place = host.booted ? '/root/' : posix.join(above, `${posix.basename(path)}.old`);
  return `mv ${pathWord(host, path)} ${pathWord(host, place)}`;
}

/** Whether something starts the service at boot. */
export async function isEnabled(host: HostView): Promise<boolean> {
  for (const folder of wantsFolders) {
    for (const name of (await host.readdir(folder)).filter((each) => /\.(wants|requires|upholds)$/.test(each))) {
      if ((await host.lstat(`${folder}/${name}/${service}`)) !== undefined) return true;
    }
  }
  return false;
}
