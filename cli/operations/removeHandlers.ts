import { backendOf } from '../backends/index.ts';
import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { command, words as quoted } from '../output/index.ts';
import { wouldDangle } from '../planning/choices/aliases.ts';
import { keptChoices } from '../planning/choices/choices.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { lastHandler, refuseNotInstalled } from '../planning/choices/wanted.ts';
import { refuse } from '../preflight/engine.ts';
import { findEngines } from '../preflight/engines.ts';
import { refuseDamaged } from '../preflight/harmful.ts';
import { etcFindings } from '../preflight/refusals.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import { activeGeneration, type Choices, type Generation, namesOf, sourcePlaces } from '../store/index.ts';
import { planNew } from './activateNew.ts';

export interface RemoveHandlersRequest extends ChangeOptions {
  /** Handlers by either name, and aliases. */
  names: string[];
}

/**
 * Takes some handlers and aliases away: a generation of the same payload with fewer names. No byte of a release is written, and rollback
 * brings them back. Throws `nothing-installed`, `handler-not-installed`, `alias-would-dangle`, `last-handler`.
 */
export async function planRemoveHandlers(view: View, request: RemoveHandlersRequest): Promise<OperationPlan> {
  const { host } = view;
  refuse(await etcFindings(host), request.allow);
  const from = await activeGeneration(host);
  if (from === undefined) {
    throw new KataError('nothing-installed', {
      subject: request.names.join(', '),
      found: 'there is no active generation',
      needed: 'an installed handler',
      next: command(host, 'status'),
    });
  }
  const { manifest } = from;
  const staying = stayingOf(host, request.names, from);
  await refuseDamaged(host, manifest, 'the files of the handlers that stay');
  const engines = await findEngines(host, request.engines, from.record.wiring);
  const operation = await planNew(
    view,
    { verb: 'uninstall', options: request, engines, from },
    {
      origin: { ...manifest, handlers: manifest.handlers.filter((handler) => staying.handlers.includes(handler.name)) },
      choices: staying.choices,
      backend: manifest.backend,
      home: backendOf(manifest.backend).payloadDir(manifest.payloadFolder),
      readText: async (path) => (await host.readFile(`${manifest.payloadFolder}/${path}`)).toString(),
    },
  );
  const left = operation.to === undefined ? [] : namesOf(operation.to);
  const removedHandlers = namesOf(manifest).filter((name) => !left.includes(name));
  return { ...operation, says: { ...operation.says, removedHandlers } };
}

function stayingOf(host: HostView, words: string[], { manifest }: Generation): { handlers: string[]; choices: Choices } {
  const { aliases } = manifest.choices;
  const installed = manifest.handlers.map((handler) => handler.name);
  const there = [...installed, ...Object.keys(aliases)];
  // By either name: 'qemu' is kata-qemu, unless an alias is called so.
  const going = [...new Set(words.map((word) => (there.includes(word) || !there.includes(`kata-${word}`) ? word : `kata-${word}`)))];
  refuseNotInstalled(going, there);
  const handlers = installed.filter((name) => !going.includes(name));
  if (handlers.length === 0) throw lastHandler(host, installed);
  const left = Object.entries(aliases).filter(([name]) => !going.includes(name));
  const based = manifest.handlers.flatMap(({ name, own }): [string, string][] =>
    own !== undefined && handlers.includes(name) ? [[name, own.base]] : [],
  );
  const dangling = [...left, ...based].filter(([, handler]) => !handlers.includes(handler));
  if (dangling.length > 0) {
    const all = [...going, ...dangling.map(([name]) => name)];
    const next = `remove it as well: ${command(host, `uninstall ${all.map((name) => `--handler ${name}`).join(' ')}`)}`;
    const aliases = dangling.flatMap(([name]) => ['--alias', `${name}=${handlers[0]}`]);
    const other = command(host, `install ${quoted([...sourcePlaces(manifest), ...aliases])}`);
    throw wouldDangle(dangling, `${next}; or give it another handler first: ${other}`);
  }
  return { handlers, choices: { ...keptChoices(manifest.choices, handlers), aliases: Object.fromEntries(left) } };
}
