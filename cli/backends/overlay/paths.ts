import { asset } from '../../assets/index.ts';
import { engineUnits } from '../../engines/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { etcFolder, extensionAround, type GenerationManifest } from '../../store/index.ts';

/** What the unit mounts: a link to the folder `usr` of a payload, in the deployment's own /etc, so that an OS rollback takes it along. */
export const link: HostPath = `${etcFolder}/overlay`;
export const service = 'kata-sysext-overlay.service';
export const unitFolder: HostPath = '/etc/systemd/system';
export const unitFile: HostPath = `${unitFolder}/${service}`;
export const wantsFolder: HostPath = `${unitFolder}/sysinit.target.wants`;
export const wantsLink: HostPath = `${wantsFolder}/${service}`;
export const wantsTarget = `../${service}`;

/** Whether a link in that folder is the one of kata-sysext, in its own form or in that of systemctl, which makes absolute ones. */
export function isOurWants(target: string | undefined): boolean {
  return target === wantsTarget || target === unitFile;
}

export function unitText(): string {
  return asset(`units/${service}`).replace('{{engines}}', engineUnits());
}

/** Whether kata-sysext, in this version or another one, made the unit: its first line says so. */
export function isOurUnit(text: string): boolean {
  return text.startsWith('# Made by kata-sysext ');
}

/** The layer that shows a payload. Its real path: the link must not lead through what the overlay covers. */
export function layerOf(host: HostView, to: GenerationManifest): Promise<HostPath> {
  return host.realpath(`${extensionAround(to.payloadFolder)}/usr`);
}

export function isOurLayer(target: string | undefined): boolean {
  return /^\/.*\/kata-sysext\/tree\/[0-9a-f]{64}\/usr$/.test(target ?? '');
}
