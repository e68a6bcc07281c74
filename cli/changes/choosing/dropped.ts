import { basename, dirname, join } from 'node:path';
import { KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { handlerRow, handlerTable, installedName } from '../../layout/index.ts';
import type { Generation } from '../../store/index.ts';
import { command, words } from '../carrying/command.ts';
import type { InstallRequest } from '../types.ts';

const codes = ['bundle-lacks-handler', 'bundle-no-shim'];

/** A bundle that lacks handlers which are installed: the error names the archive that carries them, and the commands that lead on. */
export function withWaysOut(host: HostView, error: unknown, request: InstallRequest, from: Generation | undefined): unknown {
  if (!(error instanceof KataError) || !codes.includes(error.code)) return error;
  const lacking = (error.complaint.details?.['handlers'] ?? []) as string[];
  const installed = from?.manifest.handlers.map((handler) => handler.name) ?? [];
  const dropped = lacking.filter((name) => installed.includes(name) && request.handlers.length === 0);
  if (dropped.length === 0) return error;
  const archives = [...new Set(dropped.map((name) => handlerTable.archives[handlerRow(name).family]))];
  const absent = archives.filter((archive) => !request.sources.some((path) => archiveOf(path) === archive));
  const further = absent.map((archive) => sibling(request.sources, archive));
  const asked = [
    ...(request.addHandlers ?? []).map((name) => `--add-handler ${installedName(handlerRow(name).name)}`),
    ...(request.removeHandlers ?? []).map((name) => `--remove-handler ${installedName(handlerRow(name).name)}`),
  ];
  const line = (sources: string[], options: string[]) => command(host, ['install', words(sources), ...asked, ...options].join(' '));
  const both = further.every((path) => path !== undefined) ? line([...request.sources, ...further], []) : error.complaint.next;
  const fewer =
    dropped.length === installed.length
      ? `install others in their place: ${line(request.sources, ['--handler N'])}`
      : `let go of what is missing: ${line(
          request.sources,
          dropped.map((name) => `--remove-handler ${name}`),
        )}`;
  return new KataError(error.code, {
    ...error.complaint,
    found: `${dropped.join(', ')} ${dropped.length === 1 ? 'is' : 'are'} installed, but ${error.complaint.found}`,
    next: absent.length === 0 ? fewer : `${both}; or ${fewer}`,
    cause: error,
  });
}

/** Which archive of a release a file is by its name; longer names first, for one begins like another. */
function archiveOf(path: string): string | undefined {
  const names = Object.values(handlerTable.archives).sort((a, b) => b.length - a.length);
  return names.find((name) => basename(path).startsWith(`${name}-`));
}

/** The path of another archive of the same release, as Kata names them. */
function sibling(sources: string[], archive: string): string | undefined {
  const source = sources.find((path) => archiveOf(path) !== undefined);
  return source === undefined ? undefined : join(dirname(source), basename(source).replace(archiveOf(source)!, archive));
}
