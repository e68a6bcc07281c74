import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from '../program.ts';

const real = join(repo, '../shared/real-data/cri');

export interface RealFile {
  /** 'k3s/import-v3.default.config.toml' */
  name: string;
  text: string;
}

/** The real files of these folders whose names match; none where shared/ is not beside the checkout. */
export function realFiles(folders: readonly string[], names: RegExp): RealFile[] {
  return folders.flatMap((folder) => {
    const path = join(real, folder);
    if (!existsSync(path)) return [];
    return readdirSync(path)
      .filter((name) => names.test(name))
      .sort()
      .map((name) => ({ name: `${folder}/${name}`, text: readFileSync(join(path, name), 'utf8') }));
  });
}
