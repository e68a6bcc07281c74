import { existsSync } from 'node:fs';
import { words } from '../../output/index.ts';
import type { GenerationManifest } from '../types.ts';

type Sources = Pick<GenerationManifest, 'sources' | 'sourcePaths'>;

/** The sources of a generation as they can be typed in any folder: where they still lie on this machine, else a path to be filled in. */
export function sourcePlaces({ sources, sourcePaths = [] }: Sources): string[] {
  return sources.map(({ name }, index) => {
    const path = sourcePaths[index];
    return path !== undefined && existsSync(path) ? path : `/PATH/TO/${name}`;
  });
}

/** The command that installs the release of a generation again, with more options behind it. */
export function installAgain(manifest: Sources, more = ''): string {
  return `kata-sysext install ${words(sourcePlaces(manifest))}${more}`;
}
