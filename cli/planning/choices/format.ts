import { basename } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { type Format, formatNames, isFormat } from '../../images/index.ts';
import type { GenerationManifest } from '../../store/index.ts';
import type { Given } from './givenImage.ts';
import type { InstallRequest } from './types.ts';

/** The backend whose payloads may be images: only systemd mounts them. */
const imaging = 'sysext';

/** The form of the image that is given; else the one that is named; else the installed one, as long as the backend stays. Throws `usage`. */
export function chooseFormat(
  { format: wish }: Pick<InstallRequest, 'format'>,
  backend: string,
  from: Pick<GenerationManifest, 'backend' | 'format'> | undefined,
  given?: Given,
): Format {
  if (given !== undefined) return formatOfImage(given, backend);
  if (wish === undefined) return backend === imaging && from?.backend === imaging ? from.format : 'directory';
  if (!isFormat(wish)) throw refused(`--format ${wish}`, `one of ${formatNames.join(', ')}`, 'kata-sysext install --help');
  if (backend === imaging) return wish;
  throw refused(
    `--format ${wish} with the backend ${backend}`,
    `backend ${imaging}, or no --format`,
    `name it as well: --backend ${imaging}`,
  );
}

function formatOfImage({ file, said }: Given, backend: string): Format {
  if (backend === imaging) return said.format;
  throw new KataError('usage', {
    subject: basename(file),
    found: `${basename(file)} is a ${said.format} image, and the backend here is ${backend}`,
    needed: `backend ${imaging}, or the bundle that the image was made of`,
    next: `name it: --backend ${imaging}`,
  });
}

function refused(found: string, needed: string, next: string): KataError {
  return new KataError('usage', { subject: '--format', found, needed, next });
}
