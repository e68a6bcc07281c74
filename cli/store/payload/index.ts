import type { Host } from '../../host/index.ts';
import type { ImageRequest } from './imageFile.ts';
import type { Staged } from './stage.ts';

export { entryDrift, isIntact } from './drift.ts';
export {
  architectureOfRelease,
  hasVersions,
  payloadOfRelease,
  releaseText,
  sbomEntries,
  storedBytes,
  wholePayload,
} from './extension.ts';
export { labelLike, labelProgram, needType } from './labels.ts';
export { withSha1 } from './sha1.ts';
export { type PayloadRequest, type Staged, stagePayload } from './stage.ts';

/** As `stagePayload`, of an image that was made elsewhere. */
export async function stageImage(host: Host, request: ImageRequest): Promise<Staged> {
  const { copyImage } = await import('./imageFile.ts');
  return copyImage(host, request);
}
