import { type Offer, type SurfaceOption, type SurfaceVerb, topOptions, valuedOptions } from './surface.ts';

/** For fish 3. Names from the disk are offered only if they look like a number or a handler's name. */
export function fishValues(surface: SurfaceVerb[]): Record<string, string> {
  return {
    valued: valuedOptions(surface).map(quoted).join(' '),
    top: topOptions.map((option) => optionLine('__kata_sysext_no_verb', option)).join('\n'),
    verbs: surface
      .map(({ name, summary }) => `complete -c kata-sysext -n __kata_sysext_no_verb -a ${name} -d ${quoted(summary)}`)
      .join('\n'),
    lines: surface.flatMap(verbLines).join('\n'),
  };
}

function verbLines({ name, options, words, repeats }: SurfaceVerb): string[] {
  const places = words.flatMap(({ offer }, index) => {
    const last = repeats && index === words.length - 1 ? 999 : index + 1;
    return values(offer).map((value) => `complete -c kata-sysext -n '__kata_sysext_in ${name} ${index + 1} ${last}' ${value}`);
  });
  return [...options.map((option) => optionLine(`__kata_sysext_in ${name}`, option)), ...places];
}

function optionLine(condition: string, { flags, describe, value }: SurfaceOption): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const taken = value === undefined ? [] : ['-r', ...(values(value.offer).length === 0 ? ['-f'] : values(value.offer))];
  return ['complete -c kata-sysext -n', quoted(condition), ...names, ...taken, '-d', quoted(describe)].join(' ');
}

function values(offer: Offer): string[] {
  if (offer.kind === 'nothing') return [];
  if (offer.kind === 'file') return ['-F'];
  if (offer.kind === 'words') return [`-f -a ${quoted(offer.words.join(' '))}`];
  return [`-f -a '(${offer.kind === 'folder' ? '__fish_complete_directories (commandline -ct)' : `__kata_sysext_${offer.kind}`})'`];
}

/** In fish's single quotes only the backslash and the quote itself mean something. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
