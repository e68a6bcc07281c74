import { didYouMean, KataError } from '../../errors/index.ts';
import { planAdoptKataDeploy, planRemoveKataDeploy } from '../../operations/adopt/kataDeploy/plan.ts';
import { planAdoptLayered } from '../../operations/adopt/layer.ts';
import { planAdoptRendered } from '../../operations/adopt/rendered.ts';
import { aliasRequests } from '../../planning/choices/aliases.ts';
import type { InstallRequest } from '../../planning/choices/types.ts';
import { runOperation } from '../../runner/run.ts';
import { reply } from '../answer.ts';
import { fetchingOf, sourcesOf } from '../parsing/addresses.ts';
import { machineOf, withArtefacts } from '../parsing/artefacts.ts';
import { changeOptionsOf, digestsFor, list, text } from '../parsing/options.ts';
import { settingsRequestOf } from '../parsing/settingsRequest.ts';
import { signaturesFor } from '../parsing/signatures.ts';
import type { Call, Reply } from '../types.ts';

/** Options that say something of an installation: one that is there already has its own. */
const ofInstallation = [
  'handler',
  'alias',
  'digest',
  'backend',
  'format',
  'set',
  'profile',
  'cache',
  'registry-auth',
  'ca-file',
  'from',
  'signature',
];
const ofLayered = [...ofInstallation, 'yes'];

const modes: Record<string, (call: Call, words: string[]) => Promise<Reply>> = {
  'kata-deploy': kataDeploy,
  rendered,
  layered,
};

export async function run(call: Call): Promise<Reply> {
  const [word = '', ...words] = call.words;
  const mode = Object.hasOwn(modes, word) ? modes[word] : undefined;
  if (mode === undefined)
    throw usage(word, `adopt knows no “${word}”${didYouMean(word, Object.keys(modes))}`, `one of ${Object.keys(modes).join(', ')}`);
  return mode(call, words);
}

async function rendered(call: Call, words: string[]): Promise<Reply> {
  refuseOptions(call, [...ofLayered, 'remove'], 'adopt rendered', 'nothing of the kind: what is there stays as it is');
  if (words.length > 0) throw usage(words[0]!, 'adopt rendered with a bundle', 'no bundle: the files are there');
  return reply(await runOperation(call.context, 'adopt', planAdoptRendered, changeOptionsOf(call)));
}

function refuseOptions({ options }: Call, names: readonly string[], mode: string, needed: string): void {
  const [given] = names.filter((name) => options[name] !== undefined && options[name] !== false);
  if (given !== undefined) throw usage(`--${given}`, `--${given} with ${mode}`, needed);
}

async function kataDeploy(call: Call, words: string[]): Promise<Reply> {
  refuseOptions(call, ['yes'], 'adopt kata-deploy', 'nothing of the kind: kata-deploy is no package');
  if (call.options['remove'] !== true) {
    if (words.length === 0)
      throw usage('kata-deploy', 'adopt kata-deploy without a bundle', 'the release that takes the place, or --remove to install nothing');
    return reply(await runOperation(call.context, 'adopt', planAdoptKataDeploy, await installation(call, words)));
  }
  if (words.length > 0) throw usage(words[0]!, 'adopt kata-deploy --remove with a bundle', 'no bundle: nothing is installed');
  refuseOptions(call, ofInstallation, 'adopt kata-deploy --remove', 'nothing of the kind: nothing is installed');
  return reply(await runOperation(call.context, 'adopt', planRemoveKataDeploy, changeOptionsOf(call)));
}

async function layered(call: Call, words: string[]): Promise<Reply> {
  refuseOptions(call, ['remove'], 'adopt layered', '--yes, which lets rpm-ostree take the package away at the next boot');
  if (words.length === 0)
    throw usage('layered', 'adopt layered without a bundle', 'the release that takes the place: adopt layered BUNDLE...');
  const request = { ...(await installation(call, words)), yes: call.options['yes'] === true };
  return reply(await runOperation(call.context, 'adopt', planAdoptLayered, request));
}

async function installation(call: Call, words: string[]): Promise<InstallRequest> {
  const { options, io, context } = call;
  return {
    ...changeOptionsOf(call),
    ...(await withArtefacts(call, { sources: sourcesOf(words, io.cwd), digests: digestsFor('adopt', words, options) }, () =>
      machineOf(context.host),
    )),
    fetching: fetchingOf(call),
    signatures: await signaturesFor({ ...call, words }),
    keepPaths: true,
    handlers: list(options['handler']),
    aliases: aliasRequests(list(options['alias'])),
    settings: settingsRequestOf(call),
    backend: text(options['backend']),
    format: text(options['format']),
  };
}

function usage(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext adopt --help' });
}
