import { resolve } from 'node:path';
import { KataError } from '../../errors/index.ts';
import { planInstall } from '../../operations/install.ts';
import { aliasRequests } from '../../planning/choices/aliases.ts';
import { runOperation } from '../../runner/run.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf, digestsFor, list, text } from '../parsing/options.ts';
import { settingsRequestOf } from '../parsing/settingsRequest.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const { words, options, io, context } = call;
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
  return reply(
    await runOperation(context, 'install', planInstall, {
      ...changeOptionsOf(call),
      sources: words.map((word) => resolve(io.cwd, word)),
      keepPaths: true,
      digests,
      handlers,
      addHandlers,
      removeHandlers,
      aliases: aliasRequests(list(options['alias'])),
      stage: options['stage'] === true,
      loadModules: options['no-load-modules'] !== true,
      wishes: settingsRequestOf(call),
      backend: text(options['backend']),
      format: text(options['format']),
    }),
  );
}
