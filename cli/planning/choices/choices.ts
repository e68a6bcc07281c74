import { byBytes } from '../../host/index.ts';
import { type Choices, noChoices } from '../../store/index.ts';

/** What was chosen before, for the handlers that stay. */
export function keptChoices(earlier: Choices | undefined, handlers: string[]): Choices {
  const { aliases, profiles, settings } = earlier ?? noChoices();
  const stays = new Set(handlers);
  return {
    aliases: Object.fromEntries(Object.entries(aliases).filter(([, name]) => stays.has(name))),
    profiles: Object.fromEntries(Object.entries(profiles).filter(([name]) => stays.has(name))),
    settings: Object.fromEntries(Object.entries(settings).filter(([name]) => stays.has(name))),
  };
}

/** The same whatever the order of the keys. */
export function sameChoices(a: Choices, b: Choices): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => byBytes(a, b)))
      : each,
  );
}
