import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mergeOf } from '../backends/index.ts';
import type { Merging, Source } from '../generate/index.ts';
import type { HostView } from '../host/index.ts';
import { activeGeneration } from '../store/index.ts';

/** How a node gets and shows the image that was installed on the tree. Takes its copy there away: nodes fetch it by itself, the archive has the rest. */
export async function mergingOf(host: HostView, root: string, image: Source): Promise<Merging> {
  const active = await activeGeneration(host);
  if (active === undefined) throw new Error('nothing is installed on the tree');
  const merge = await mergeOf(host, active.manifest);
  await rm(join(root, merge.link.target));
  return { ...merge, image };
}
