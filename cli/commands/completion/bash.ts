import { type Offer, type SurfaceVerb, topOptions, valuedOptions } from './surface.ts';

/**
 * Needs bash 4.2 and nothing else: hosts may lack the package bash-completion. No program is started and nothing is expanded that came
 * from the command line or the disk; what lies on the disk is offered only if it looks like a number or a handler's name.
 */
export function bashValues(surface: SurfaceVerb[]): Record<string, string> {
  return {
    places: places(surface),
    valued: valuedOptions(surface)
      .map((each) => `'${each}'`)
      .join('|'),
    repeating: repeating(surface),
    verbs: surface.map(({ name }) => name).join(' '),
    flags: surface
      .filter(({ options }) => options.length > 0)
      .map(({ name, options }) => `    ${name}) echo ${options.flatMap(({ flags }) => flags).join(' ')} ;;`)
      .join('\n'),
    topFlags: topOptions.flatMap(({ flags }) => flags).join(' '),
  };
}

function places(surface: SurfaceVerb[]): string {
  const lines = surface.flatMap(({ name, options, words, repeats }) => [
    ...options.flatMap(({ flags, value }) =>
      value === undefined ? [] : take(flags.map((flag) => `'${name} ${flag}'`).join('|'), value.offer),
    ),
    ...words.flatMap(({ offer }, index) =>
      take(repeats && index === words.length - 1 ? `'${name} '[${index}-9]*` : `'${name} ${index}'`, offer),
    ),
  ]);
  return lines.join('\n');
}

function take(pattern: string, offer: Offer): string[] {
  if (offer.kind === 'nothing') return [];
  return [
    `    ${pattern}) ${offer.kind === 'words' ? `_kata_sysext_offer ${offer.words.join(' ')}` : `_kata_sysext_take ${offer.kind}`} ;;`,
  ];
}

function repeating(surface: SurfaceVerb[]): string {
  const flags = surface.flatMap(({ options }) => options.filter(({ repeats }) => repeats).flatMap((option) => option.flags));
  return [...new Set(flags)].join('|');
}
