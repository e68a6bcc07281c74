import { backendNames, imagingBackend } from '../../backends/registry.ts';
import { engineNamed } from '../../engines/index.ts';
import { engineNames } from '../../engines/names.ts';
import { allowedCodes, KataError } from '../../errors/index.ts';
import { formatNames, isFormat } from '../../images/index.ts';
import { profileNamed } from '../../layout/settings/index.ts';
import { aliasRequests } from '../../planning/choices/aliases.ts';
import { settingsOfWords } from '../../planning/choices/settingsWords.ts';
import type { NodeRequest } from '../../requests/request.ts';

/** Words of a request that no node would take, whatever is on it, by the rules of the command line. Throws `request-unfit`. */
export function refuseWords(
  { aliases = [], settings = [], profiles = [], engines = [], allow = [], backend, format }: NodeRequest,
  path: string,
): void {
  try {
    allowedCodes(allow);
    aliasRequests(aliases);
    settingsOfWords({ set: settings, profiles }).profiles?.forEach(profileNamed);
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    const { found, needed = '' } = error.complaint;
    throw unfit(path, found, needed);
  }
  const strange = engines.find((name) => engineNamed(name.replace(/@.*$/s, '')) === undefined);
  if (strange !== undefined) throw unfit(path, `the engine ${strange}`, `one of ${engineNames}`);
  if (backend !== undefined && !backendNames.includes(backend))
    throw unfit(path, `backend ${backend}`, `one of ${backendNames.join(', ')}`);
  if (format !== undefined && !isFormat(format)) throw unfit(path, `format ${format}`, `one of ${formatNames.join(', ')}`);
  if (format !== undefined && ![undefined, 'auto', imagingBackend].includes(backend))
    throw unfit(path, `format ${format} with the backend ${backend}`, `backend ${imagingBackend}, or no format`);
}

function unfit(path: string, found: string, needed: string): KataError {
  return new KataError('request-unfit', { subject: path, found: `${path}: ${found}`, needed, next: 'kata-sysext install --help' });
}
