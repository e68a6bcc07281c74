import { resolve } from 'node:path';
import { didYouMean, KataError } from '../../errors/index.ts';
import { planAdoptLayered } from '../../operations/adopt/layer.ts';
import { planAdoptRendered } from '../../operations/adopt/rendered.ts';
import { aliasRequests } from '../../planning/choices/aliases.ts';
import { runOperation } from '../../runner/run.ts';
import { reply } from '../answer.ts';
import { changeOptionsOf, digestsFor, list, text } from '../parsing/options.ts';
import { settingsRequestOf } from '../parsing/settingsRequest.ts';
import type { Call, Reply } from '../types.ts';

/** Options that say something of an installation: one that is there already has its own. */
const ofLayered = ['handler', 'alias', 'digest', 'backend', 'format', 'set', 'profile', 'yes'];

const modes: Record<string, (call: Call, words: string[]) => Promise<Reply>> = { rendered, layered };

export async function run(call: Call): Promise<Reply> {
  const [word = '', ...words] = call.words;
  const mode = Object.hasOwn(modes, word) ? modes[word] : undefined;
  if (mode === undefined)
    throw usage(word, `adopt knows no “${word}”${didYouMean(word, Object.keys(modes))}`, `one of ${Object.keys(modes).join(', ')}`);
  return mode(call, words);
}

async function rendered(call: Call, words: string[]): Promise<Reply> {
  const given = ofLayered.find((name) => call.options[name] !== undefined && call.options[name] !== false);
  if (given !== undefined) throw usage(`--${given}`, `--${given} with adopt rendered`, 'nothing of the kind: what is there stays as it is');
  if (words.length > 0) throw usage(words[0]!, 'adopt rendered with a bundle', 'no bundle: the files are there');
  return reply(await runOperation(call.context, 'adopt', planAdoptRendered, changeOptionsOf(call)));
}

async function layered(call: Call, words: string[]): Promise<Reply> {
  const { options, io, context } = call;
  if (words.length === 0)
    throw usage('layered', 'adopt layered without a bundle', 'the release that takes the place: adopt layered BUNDLE...');
  return reply(
    await runOperation(context, 'adopt', planAdoptLayered, {
      ...changeOptionsOf(call),
      sources: words.map((word) => resolve(io.cwd, word)),
      keepPaths: true,
      digests: digestsFor('adopt', words, options),
      handlers: list(options['handler']),
      aliases: aliasRequests(list(options['alias'])),
      settings: settingsRequestOf(call),
      yes: options['yes'] === true,
      backend: text(options['backend']),
      format: text(options['format']),
    }),
  );
}

function usage(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext adopt --help' });
}
