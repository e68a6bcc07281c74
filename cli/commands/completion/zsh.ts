import { type Offer, type SurfaceOption, type SurfaceVerb, topOptions } from './surface.ts';

/** For zsh's own completion system. Names from the disk are offered only if they look like a number or a handler's name. */
export function zshValues(surface: SurfaceVerb[]): Record<string, string> {
  return {
    verbs: surface.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join('\n'),
    top: topOptions.flatMap(({ flags, describe }) => flags.map((flag) => quoted(`(- *)${flag}[${described(describe)}]`))).join(' '),
    cases: surface.map(verbCase).join('\n'),
  };
}

function verbCase({ name, options, words, repeats }: SurfaceVerb): string {
  const places = words.map(({ name: word, offer }, index) => {
    const more = repeats && index === words.length - 1;
    return `${more ? '*' : `${index + 1}`}:${described(word)}:${action(offer)}`;
  });
  const specs = [...options.flatMap(optionSpecs), ...places];
  if (specs.length === 0) return `        ${name}) ;;`;
  return `        ${name})\n          _arguments -s ${specs.map((spec) => `\\\n            ${quoted(spec)}`).join(' ')} && ret=0\n          ;;`;
}

function optionSpecs({ flags, describe, value, repeats }: SurfaceOption): string[] {
  return flags.map((flag) => {
    const others = repeats ? '*' : `(${flags.join(' ')})`;
    const sign = value === undefined ? '' : flag.startsWith('--') ? '=' : '+';
    const rest = value === undefined ? '' : `:${described(value.name)}:${action(value.offer)}`;
    return `${others}${flag}${sign}[${described(describe)}]${rest}`;
  });
}

function action(offer: Offer): string {
  if (offer.kind === 'words') return `(${offer.words.join(' ')})`;
  if (offer.kind === 'nothing') return ' ';
  if (offer.kind === 'file') return '_files';
  return offer.kind === 'folder' ? '_files -/' : `_kata-sysext_${offer.kind}`;
}

/** Signs that end a description in a specification of _arguments. */
function described(text: string): string {
  return text.replace(/[\\[\]:]/g, '\\$&');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
