import { KataError } from '../../errors/index.ts';
import { type Format, formatNames, isFormat } from '../../images/index.ts';
import type { GenerationManifest } from '../../store/index.ts';
import type { InstallRequest } from '../types.ts';

/** The backend whose payloads may be images: only systemd mounts them. */
const imaging = 'sysext';

/** The form that is named; else the installed one, as long as the backend stays. Throws `usage`. */
export function chooseFormat(
  { format: wish }: Pick<InstallRequest, 'format'>,
  backend: string,
  from: Pick<GenerationManifest, 'backend' | 'format'> | undefined,
): Format {
  if (wish === undefined) return backend === imaging && from?.backend === imaging ? from.format : 'directory';
  if (!isFormat(wish)) throw refused(`--format ${wish}`, `one of ${formatNames.join(', ')}`, 'kata-sysext install --help');
  if (backend === imaging) return wish;
  throw refused(
    `--format ${wish} with the backend ${backend}`,
    `backend ${imaging}, or no --format`,
    `name it as well: --backend ${imaging}`,
  );
}

function refused(found: string, needed: string, next: string): KataError {
  return new KataError('usage', { subject: '--format', found, needed, next });
}
