import type { Digest, HostPath, HostView } from '../../host/index.ts';
import { extensionRelease, type GenerationManifest } from '../../store/index.ts';
import { harmlessVersion } from './hostChecks.ts';
import { extensionOf, service, wantsLink, wantsTarget } from './paths.ts';

/** What makes the extension of a generation appear on a host, for those who do it without this program. */
export interface Merge {
  /** Enables the extension. */
  link: { path: HostPath; target: HostPath };
  /** Starts the service at each boot; needed where nothing does yet. */
  wants: { path: HostPath; target: string };
  service: string;
  /** The file below /usr that says which payload is merged. */
  release: HostPath;
  payload: Digest;
  /** The first version of systemd whose merges are harmless. */
  least: number;
}

export async function mergeOf(host: HostView, to: GenerationManifest): Promise<Merge> {
  const link = await extensionOf(host, to);
  const wants = { path: wantsLink, target: wantsTarget };
  return { link, wants, service, release: `/${extensionRelease}`, payload: to.payload, least: harmlessVersion };
}
