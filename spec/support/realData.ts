import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from './program.ts';

/** The folder of real files beside the checkout; where it is missing, the spec is skipped and says so. */
export function realDataFor(spec: Mocha.Context): string {
  const folder = join(repo, '../shared/real-data');
  if (existsSync(folder)) return folder;
  console.log('      skipped: there is no ../shared/real-data beside this checkout');
  return spec.skip();
}
