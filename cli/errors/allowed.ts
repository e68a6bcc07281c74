import { codes } from './codes/index.ts';
import { KataError } from './kataError.ts';
import { didYouMean } from './suggest.ts';

/** The codes of `--allow`, as they are. Throws `usage` for one that is none, or that cannot be overridden. */
export function allowedCodes(allow: string[]): string[] {
  const overridable = Object.keys(codes).filter((code) => codes[code]?.overridable);
  const wrong = allow.find((code) => !overridable.includes(code));
  if (wrong === undefined) return allow;
  throw new KataError('usage', {
    subject: '--allow',
    found: `--allow ${wrong}: ${codes[wrong] === undefined ? `there is no such code${didYouMean(wrong, overridable)}` : 'this code cannot be overridden'}`,
    needed: `one of ${overridable.join(', ')}`,
    next: 'kata-sysext explain',
  });
}
