import type { Recovered } from '../transaction/index.ts';
import { underLock } from './carrying/session.ts';
import type { ChangeOptions, Context } from './types.ts';

/** Settles interrupted changes, as every changing verb does first; with none there it does nothing. */
export function recover(context: Context, options: ChangeOptions): Promise<Recovered[]> {
  return underLock(context, 'recover', options, async (settled) => settled);
}
