import type { OptionRow, Verb } from '../types.ts';
import { helping } from './helping.ts';
import { keeping } from './keeping.ts';
import { adopting, making } from './making.ts';
import { changeOptions, commonOptions } from './options.ts';
import { imaging, preparing } from './preparing.ts';
import { telling } from './telling.ts';

export { changeOptions, commonOptions } from './options.ts';

/** All verbs in the order of the help: parser, help, man page, completion and docs derive from them. */
export const verbs: Verb[] = [...making, ...adopting, ...telling, ...keeping, ...imaging, ...preparing, ...helping];

export function optionsOf(verb: Verb): Record<string, OptionRow> {
  return { ...verb.options, ...(verb.changing ? changeOptions : {}), ...commonOptions };
}

/** How often a word with dots behind it may be named. */
const maxRepeats = 16;

/** How many words a verb takes, as its usage line says: '[A [B]]' → 0 to 2, 'FORM BUNDLE...' → 2 to 17. */
export function wordCounts({ words }: Pick<Verb, 'words'>): { fewest: number; most: number } {
  const needed = words.replace(/\[.*\]/, '').match(/\S+/g) ?? [];
  const places = words.match(/[^\s[\]]+/g) ?? [];
  return { fewest: needed.length, most: places.reduce((sum, place) => sum + (place.endsWith('...') ? maxRepeats : 1), 0) };
}
