import { resolve } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { type Configuration, configuration } from '../../inspect/configuration.ts';
import { planConfigure } from '../../operations/configure.ts';
import { planInstall } from '../../operations/install.ts';
import { planGc, planPin } from '../../operations/keep.ts';
import { planRemoveHandlers } from '../../operations/removeHandlers.ts';
import { planActivate, planRollback } from '../../operations/switchToExisting.ts';
import { planUninstall } from '../../operations/uninstall.ts';
import { namesOfWords } from '../../planning/choices/componentWords.ts';
import { hasSettings } from '../../planning/choices/settings.ts';
import type { ChangeOptions, InstallRequest } from '../../planning/choices/types.ts';
import { usualKeep } from '../../preflight/collectable.ts';
import { runOperation } from '../../runner/run.ts';
import type { Planner } from '../../runner/types.ts';
import { reply } from '../answer.ts';
import { fetchingOf, sourcesOf } from '../parsing/addresses.ts';
import { machineOf, withArtefacts } from '../parsing/artefacts.ts';
import { changeOptionsOf, digestsFor, generationNumber, list, text } from '../parsing/options.ts';
import { settingsRequestOf } from '../parsing/settingsRequest.ts';
import { signaturesFor } from '../parsing/signatures.ts';
import type { Call, Reply } from '../types.ts';

/** Each verb here makes the request of its planner from the command line; its answer is a plan or a receipt. */
async function change<R extends ChangeOptions>(call: Call, verb: string, planner: Planner<R>, request: R): Promise<Reply> {
  return reply(await runOperation(call.context, verb, planner, request));
}

export async function install(call: Call): Promise<Reply> {
  return change(call, 'install', planInstall, await installRequest(call));
}

/** What the words and options of an install ask for. Throws `usage`. */
export async function installRequest(call: Call, artefacts: typeof withArtefacts = withArtefacts): Promise<InstallRequest> {
  const { words, options, io } = call;
  const digests = digestsFor('install', words, options);
  const [handlers, addHandlers, removeHandlers] = [list(options['handler']), list(options['add-handler']), list(options['remove-handler'])];
  if (handlers.length > 0 && addHandlers.length + removeHandlers.length > 0) {
    throw new KataError('usage', {
      subject: '--handler',
      found: `--handler together with --${addHandlers.length > 0 ? 'add' : 'remove'}-handler`,
      needed: 'either the whole set (--handler), or changes to the installed one',
      next: 'kata-sysext install --help',
    });
  }
  return {
    ...changeOptionsOf(call),
    ...(await artefacts(call, { sources: sourcesOf(words, io.cwd), digests }, () => machineOf(call.context.host))),
    fetching: fetchingOf(call),
    signatures: await signaturesFor(call),
    keepPaths: true,
    handlers,
    addHandlers,
    removeHandlers,
    ...namesOfWords(list(options['alias']), list(options['component']), (path) => resolve(io.cwd, path)),
    stage: options['stage'] === true,
    loadModules: options['no-load-modules'] !== true,
    settings: settingsRequestOf(call),
    backend: text(options['backend']),
    format: text(options['format']),
  };
}

export async function configure(call: Call): Promise<Reply> {
  const handlers = list(call.options['handler']);
  const settings = settingsRequestOf(call);
  if (hasSettings(settings)) return change(call, 'configure', planConfigure, { ...changeOptionsOf(call), handlers, settings });
  const seen = await configuration(call.context.host, handlers);
  return { kind: 'Configuration', body: seen, text: configurationText(seen) };
}

function configurationText({ generation, handlers, profiles }: Configuration): string[] {
  const width = Math.max(...profiles.map(({ name }) => name.length));
  return [
    `generation ${generation}`,
    ...handlers.flatMap(({ name, path, profiles: chosen, settings }) => [
      `${name}  (${path})`,
      `  profiles: ${chosen.length === 0 ? 'none' : chosen.join(', ')}`,
      ...(settings.length === 0 ? ['  settings: none'] : settings.map(({ key, value }) => `  ${key} = ${JSON.stringify(value)}`)),
    ]),
    'profiles that can be chosen:',
    ...profiles.map(({ name, description, fits }) => {
      const where =
        fits.length === handlers.length ? '' : ` (${fits.length === 0 ? 'fits none of these handlers' : `only ${fits.join(', ')}`})`;
      return `  ${name.padEnd(width)}  ${description}${where}`;
    }),
  ];
}

export async function activate(call: Call): Promise<Reply> {
  const [word] = call.words;
  return change(call, 'activate', planActivate, {
    ...changeOptionsOf(call),
    number: word === undefined ? undefined : generationNumber(word, 'activate'),
  });
}

export async function rollback(call: Call): Promise<Reply> {
  const to = call.options['to'];
  return change(call, 'rollback', planRollback, { ...changeOptionsOf(call), to: typeof to === 'number' ? to : undefined });
}

export async function uninstall(call: Call): Promise<Reply> {
  const names = list(call.options['handler']);
  const purge = call.options['purge'] === true;
  if (names.length === 0) return change(call, 'uninstall', planUninstall, { ...changeOptionsOf(call), purge });
  if (!purge) return change(call, 'uninstall', planRemoveHandlers, { ...changeOptionsOf(call), names });
  throw new KataError('usage', {
    subject: '--purge',
    found: '--purge together with --handler',
    needed: 'either some handlers, or everything with its history',
    next: 'kata-sysext uninstall --help',
  });
}

export async function gc(call: Call): Promise<Reply> {
  return change(call, 'gc', planGc, { ...changeOptionsOf(call), keep: Number(call.options['keep'] ?? usualKeep) });
}

export async function pin(call: Call): Promise<Reply> {
  return change(call, 'pin', planPin, { number: generationNumber(call.words[0]!, 'pin'), ...changeOptionsOf(call), pinned: true });
}

export async function unpin(call: Call): Promise<Reply> {
  return change(call, 'unpin', planPin, { number: generationNumber(call.words[0]!, 'unpin'), ...changeOptionsOf(call), pinned: false });
}
