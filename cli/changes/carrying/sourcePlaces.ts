import { stat } from 'node:fs/promises';
import type { GenerationManifest } from '../../store/index.ts';

/** The sources of a generation as they can be typed in any folder: where they still lie, else a path to be filled in. */
export function sourcePlaces({ sources, sourcePaths = [] }: Pick<GenerationManifest, 'sources' | 'sourcePaths'>): Promise<string[]> {
  return Promise.all(
    sources.map(async ({ name }, index) => {
      const path = sourcePaths[index];
      return path !== undefined && (await isThere(path)) ? path : `/PATH/TO/${name}`;
    }),
  );
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
