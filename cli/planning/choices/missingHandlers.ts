import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { handlerRow, handlerTable, installedName } from '../../layout/index.ts';
import { command, words } from '../../output/index.ts';
import type { Generation } from '../../store/index.ts';
import { ownHandlers } from './own.ts';
import type { InstallRequest } from './types.ts';
import { typedSources } from './wanted.ts';

const codes = ['bundle-lacks-handler', 'bundle-no-shim'];

/**
 * A bundle that lacks handlers which are installed: the error names the archive that carries them, and the commands that lead on. Only
 * commands that work are offered: an archive that lies beside the others, handlers that the bundle has.
 */
export function explainMissingHandlers(host: HostView, error: unknown, request: InstallRequest, from: Generation | undefined): unknown {
  if (!(error instanceof KataError) || !codes.includes(error.code)) return error;
  const lacking = (error.complaint.details?.['handlers'] ?? []) as string[];
  const installed = from?.manifest.handlers.map((handler) => handler.name) ?? [];
  const dropped = lacking.filter((name) => installed.includes(name) && request.handlers.length === 0);
  if (dropped.length === 0) return error;
  const archives = [...new Set(lacking.map((name) => handlerTable.archives[handlerRow(name).family]))];
  const absent = archives.filter((archive) => !request.sources.some((path) => archiveOf(path) === archive));
  const further = absent.flatMap((archive) => sibling(request.sources, archive) ?? []);
  // What an archive lacks that is named already, no other one brings.
  const helps = absent.length === archives.length && further.length === absent.length;
  const more = helps ? installLine(host, request, { sources: [...request.sources, ...further] }) : undefined;
  const fewer = fewerLine(host, request, from!, { lacking, available: (error.complaint.details?.['available'] ?? []) as string[] });
  const hint = absent.length === 0 ? undefined : error.complaint.next;
  const ways = [more ?? hint, fewer].filter((way) => way !== undefined);
  return new KataError(error.code, {
    ...error.complaint,
    found: `${dropped.join(', ')} ${dropped.length === 1 ? 'is' : 'are'} installed, but ${error.complaint.found}`,
    next: ways.length === 0 ? error.complaint.next : ways.join('; or '),
    cause: error,
  });
}

/** The same command without what the bundle lacks; undefined where nothing of the bundle would be left to install. */
function fewerLine(
  host: HostView,
  request: InstallRequest,
  from: Generation,
  { lacking, available }: { lacking: string[]; available: string[] },
): string | undefined {
  const installed = from.manifest.handlers.flatMap(({ name, own }) => (own === undefined ? [name] : []));
  const gone = namesOf(request.removeHandlers);
  const dropped = installed.filter((name) => lacking.includes(name) && !gone.includes(name));
  const added = namesOf(request.addHandlers).filter((name) => !lacking.includes(name));
  const kept = [...installed.filter((name) => !dropped.includes(name) && !gone.includes(name)), ...added];
  const other = kept.length > 0 ? undefined : available[0];
  if (kept.length === 0 && other === undefined) return undefined;
  const stays = other === undefined ? kept : [other];
  // A name that RuntimeClasses may point at is not dropped in silence.
  const named = (request.aliases ?? []).map(({ name }) => name);
  const based = ownHandlers(from).map(({ name, own }): [string, string] => [name, own.base]);
  const dangling = [...Object.entries(from.manifest.choices.aliases), ...based].filter(
    ([name, to]) => !stays.includes(to) && !named.includes(name),
  );
  const aliases = [
    ...(request.aliases ?? []).filter(({ handler }) => handler === undefined || stays.includes(handler)),
    ...dangling.map(([name]) => ({ name })),
  ];
  const own = (request.own ?? []).filter(({ base }) => base === undefined || stays.includes(base));
  if (other !== undefined) return `install another in their place: ${installLine(host, request, { handlers: [other], aliases, own })}`;
  const fewer = { addHandlers: added, removeHandlers: [...gone, ...dropped], aliases, own };
  return `remove the missing handlers: ${installLine(host, request, fewer)}`;
}

/** The command line of a request, with some of it replaced. */
function installLine(host: HostView, request: InstallRequest, other: Partial<InstallRequest>): string {
  const changed = { ...request, ...other };
  const { handlers, aliases = [], own = [], backend, format, stage, engines = [], allow } = changed;
  const exact = other.handlers !== undefined;
  const options = [
    ...handlers.flatMap((name) => ['--handler', name]),
    ...(exact ? [] : namesOf(changed.addHandlers).flatMap((name) => ['--add-handler', name])),
    ...(exact ? [] : namesOf(changed.removeHandlers).flatMap((name) => ['--remove-handler', name])),
    ...aliases.flatMap(({ name, handler = '' }) => ['--alias', `${name}=${handler}`]),
    ...own.flatMap(({ name, base }) => (base === undefined ? [] : ['--alias', `${name}=${base}`])),
    ...own.flatMap(({ name, files }) => files.flatMap(({ kind, file }) => ['--component', `${name}:${kind}=${file}`])),
    ...(backend === undefined ? [] : ['--backend', backend]),
    ...(format === undefined ? [] : ['--format', format]),
    ...engines.flatMap((engine) => ['--engine', engine]),
    ...allow.flatMap((code) => ['--allow', code]),
    ...(stage === true ? ['--stage'] : []),
  ];
  return command(host, words(['install', ...typedSources(changed), ...options]));
}

function namesOf(names: string[] = []): string[] {
  return names.map((name) => installedName(handlerRow(name).name));
}

/** Which archive of a release a file is by its name; longer names first, for one begins like another. */
function archiveOf(path: string): string | undefined {
  const names = Object.values(handlerTable.archives).sort((a, b) => b.length - a.length);
  return names.find((name) => basename(path).startsWith(`${name}-`));
}

/** The path of another archive of the same release, as Kata names them, if there is a file of that name beside the one that is named. */
function sibling(sources: string[], archive: string): string | undefined {
  const source = sources.find((path) => archiveOf(path) !== undefined);
  if (source === undefined) return undefined;
  const path = join(dirname(source), basename(source).replace(archiveOf(source)!, archive));
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true ? path : undefined;
}
