import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeAfter } from './endings.ts';
import { scratch } from './trees/treeHost.ts';

export interface TextFiles {
  /** From the first `before` on. */
  readonly folder: string;
  /** Writes a text into a file of the folder, and gives its path. */
  put(name: string, text: string): string;
}

/** A folder for the specs of a describe. */
export function textFiles(): TextFiles {
  let folder: string;
  before(() => {
    folder = scratch('texts');
  });
  removeAfter(() => folder);
  return {
    get folder() {
      return folder;
    },
    put: (name, text) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    },
  };
}
