import type { HostView } from '../host/index.ts';
import { profiles, unfit } from '../layout/settings/index.ts';
import { activeOne, handlersOf } from '../planning/choices/installed.ts';
import { type Chosen, chosenFor } from './chosen.ts';

interface HandlerConfiguration extends Chosen {
  name: string;
  /** Where an administrator reads its configuration. */
  path: string;
}

export interface Configuration {
  generation: number;
  handlers: HandlerConfiguration[];
  /** All profiles there are, with the handlers that they fit. */
  profiles: { name: string; description: string; fits: string[] }[];
}

/** What is chosen for handlers of the active generation, and which profiles there are. Throws `nothing-installed`, `handler-unknown`. */
export async function configuration(host: HostView, names: string[]): Promise<Configuration> {
  const { manifest } = await activeOne(host);
  const handlers = handlersOf(manifest, names);
  const texts = new Map<string, string>();
  for (const { name, configuration } of handlers)
    texts.set(name, (await host.readText(`${manifest.payloadFolder}/${configuration}`)) ?? '');
  return {
    generation: manifest.number,
    handlers: handlers.map(({ name }) => ({
      name,
      path: `/etc/kata-sysext/current/config/${name}/configuration.toml`,
      ...chosenFor(manifest.choices, name),
    })),
    profiles: profiles.map((profile) => ({
      name: profile.name,
      description: profile.description,
      fits: handlers.filter((handler) => unfit(profile, texts.get(handler.name)!, handler) === undefined).map(({ name }) => name),
    })),
  };
}
