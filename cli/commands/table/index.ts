import type { OptionRow, Verb } from '../types.ts';
import { adopting } from './adopting.ts';
import { helping } from './helping.ts';
import { imaging } from './imaging.ts';
import { keeping } from './keeping.ts';
import { making } from './making.ts';
import { changeOptions, commonOptions } from './options.ts';
import { preparing } from './preparing.ts';
import { telling } from './telling.ts';

export { changeOptions, commonOptions } from './options.ts';

/** All verbs in the order of the help: parser, help, man page, completion and docs derive from them. */
export const verbs: Verb[] = [...making, ...adopting, ...telling, ...keeping, ...imaging, ...preparing, ...helping];

/** All options that a verb takes. */
export function optionsOf(verb: Verb): Record<string, OptionRow> {
  return { ...verb.options, ...(verb.changing ? changeOptions : {}), ...commonOptions };
}
