import { byBytes, digestOf } from '../../host/index.ts';
import type { Digest } from '../../host/types.ts';
import type { Instance, WantedHandler } from '../types.ts';

/**
 * Equal keys: the daemon knows the same handlers at the same paths, so that nothing has to be restarted. `shimIsType`: the
 * runtime's type is the shim's path; `more`: texts that make the daemon read other files.
 */
export function wiringKey(
  instance: Instance,
  wanted: readonly WantedHandler[],
  schema: number,
  shimIsType = false,
  more: string[] = [],
): Digest {
  const handlers = [...wanted].sort((a, b) => byBytes(a.name, b.name)).map(({ name, shim, configuration }) => [name, shim, configuration]);
  return digestOf(JSON.stringify([instance.engine, instance.configPath, schema, handlers, ...(shimIsType ? ['type'] : []), ...more]));
}
