import type { HostView } from '../host/index.ts';
import { type Drawn, folderOf, type Generation } from '../store/index.ts';
import { lineDiff } from './textDiff.ts';

/** What a change does to the configuration that kata-sysext wrote for a handler. */
export interface ConfigurationDiff {
  handler: string;
  diff: string[];
}

/**
 * What the choices of a drawn generation make of each handler's configuration: against what the handler has now where its files stay
 * the same, else against the release's own (a new release differs in more than what was chosen). Unchanged ones are left out.
 */
export async function configurationDiffs(host: HostView, from: Generation | undefined, drawn: Drawn): Promise<ConfigurationDiff[]> {
  const stays = from !== undefined && from.manifest.payload === drawn.manifest.payload && from.manifest.backend === drawn.manifest.backend;
  const found: ConfigurationDiff[] = [];
  for (const [handler, text] of drawn.configurations) {
    const had = stays ? await host.readText(`${folderOf(from.manifest)}/config/${handler}/configuration.toml`) : undefined;
    const before = had ?? drawn.plain.get(handler) ?? '';
    if (before !== text) found.push({ handler, diff: lineDiff(before, text) });
  }
  return found;
}
