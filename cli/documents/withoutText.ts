import { isJson, withoutRange } from './jsonFile/index.ts';
import { withoutMark } from './toml/index.ts';

/** The text of a file of any language without one of kata-sysext's; undefined where it cannot go without a change of what the rest says. */
export function withoutText(text: string, own: string, path: string): string | undefined {
  return isJson(text, path) ? withoutRange(text, own, path) : withoutMark(text, own, path);
}
