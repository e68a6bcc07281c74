import { type Configuration, configuration } from '../../inspect/configuration.ts';
import { planConfigure } from '../../operations/configure.ts';
import { hasSettings } from '../../planning/choices/settings.ts';
import { runOperation } from '../../runner/run.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf, list } from '../parsing/options.ts';
import { settingsRequestOf } from '../parsing/settingsRequest.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const handlers = list(call.options['handler']);
  const wishes = settingsRequestOf(call);
  if (hasSettings(wishes))
    return reply(await runOperation(call.context, 'configure', planConfigure, { ...changeOptionsOf(call), handlers, wishes }));
  const seen = await configuration(call.context.host, handlers);
  return { kind: 'Configuration', body: seen, text: lines(seen) };
}

function lines({ generation, handlers, profiles }: Configuration): string[] {
  const width = Math.max(...profiles.map(({ name }) => name.length));
  return [
    `generation ${generation}`,
    ...handlers.flatMap(({ name, path, profiles: chosen, settings }) => [
      `${name}  (${path})`,
      `  profiles: ${chosen.length === 0 ? 'none' : chosen.join(', ')}`,
      ...(settings.length === 0 ? ['  settings: none'] : settings.map(({ key, value }) => `  ${key} = ${JSON.stringify(value)}`)),
    ]),
    'profiles that can be chosen:',
    ...profiles.map(({ name, description, fits }) => {
      const where =
        fits.length === handlers.length ? '' : ` (${fits.length === 0 ? 'fits none of these handlers' : `only ${fits.join(', ')}`})`;
      return `  ${name.padEnd(width)}  ${description}${where}`;
    }),
  ];
}
