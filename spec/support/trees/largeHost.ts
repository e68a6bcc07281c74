import { rmSync } from 'node:fs';
import { FIRST, tinyRelease } from '../../lab/release/index.ts';
import { releases, scratch, type TreeHost, treeHost } from './treeHost.ts';

export const mega = 1_000_000;

/** A host tree for each test, with the archive of a small release and of one that needs 24 MB more than its own size. */
export interface LargeHost {
  host: TreeHost;
  first: string;
  large: string;
  /** Goes at the end of the suite. */
  folder: string;
}

/** Made by the hooks of the suite that calls this; the fields are there in its tests. */
export function largeHost(): LargeHost {
  const made = {} as LargeHost;
  before(async () => {
    made.first = (await releases()).first;
    made.folder = scratch('room');
    // Of the guest's image, which compress to nothing: what the archive's size does not tell.
    made.large = await tinyRelease(made.folder, {
      version: FIRST,
      files: { 'share/kata-containers/kata-large.img': '0'.repeat(24 * mega) },
    });
  });
  after(() => rmSync(made.folder, { recursive: true, force: true }));
  beforeEach(() => {
    made.host = treeHost('microos');
  });
  afterEach(() => made.host.remove());
  return made;
}
