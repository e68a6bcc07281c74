import { amount, plainName, text, valueLike, writtenPath } from '../documents/shapes.ts';
import type { Digest } from '../host/index.ts';

/** What many kinds of steps have, as a journal has to have it. */
export const kind = text;
export const path = writtenPath;
export const unit = plainName;
export const deadlineMs = amount;
export const state = valueLike<Digest | 'absent'>(
  'a sha256 digest, or absent',
  (value) => typeof value === 'string' && /^(absent|sha256:[0-9a-f]{64})$/.test(value),
);
