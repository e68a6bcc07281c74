import { readFileSync } from 'node:fs';

/** Put in place by the build (`scripts/build.ts`): repo-relative names to texts. Absent when run from the sources. */
declare const KATA_SYSEXT_ASSETS: Record<string, string> | undefined;

/** The text of a table, template or unit by its repo-relative name, e.g. 'overlays/handlers.json'. The built program carries them inside. */
export function asset(name: string): string {
  if (typeof KATA_SYSEXT_ASSETS === 'undefined') return readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
  const text = KATA_SYSEXT_ASSETS[name];
  if (text === undefined) throw new Error(`the program was built without ${name}`);
  return text;
}
