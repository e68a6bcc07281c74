import { resolve } from 'node:path';
import { isAddress, shownAddress } from '../../download/address.ts';
import { isOci, ociReference, shownReference } from '../../download/oci/reference.ts';
import type { Source } from '../../generate/index.ts';
import { generateKubernetes, type KubernetesForm, kubernetesForms } from '../../generate/kubernetes/index.ts';
import { type Digest, readRegular, stopIfAsked } from '../../host/index.ts';
import { handlerRow } from '../../layout/index.ts';
import { profileNamed } from '../../layout/settings/index.ts';
import { aliasRequests } from '../../planning/choices/aliases.ts';
import { namedRelease } from '../../releases/index.ts';
import type { NodeRequest } from '../../requests/request.ts';
import { enginesOf, list, text } from '../parsing/options.ts';
import { settingsRequestOf } from '../parsing/settingsRequest.ts';
import type { Call, Reply } from '../types.ts';
import { asMade, reply, writeNew } from './newFiles.ts';
import { checkedDigest, sourceOf, usage } from './sources.ts';

/** Options of other outputs, which a cluster has no place for. */
const useless = ['target', 'program', 'program-digest', 'engine-config', 'kernel-argument', 'pool', 'disruption-policy'];

/** Writes what makes a cluster bring Kata to its nodes. Throws `usage`, `bundle-missing`, `bundle-digest`, `handler-unknown`, `profile-unknown`. */
export async function generateForCluster(call: Call, folder: string): Promise<Reply> {
  const { options, io, words } = call;
  const odd = useless.find((name) => options[name] !== undefined && options[name] !== false);
  if (odd !== undefined) throw usage(`--${odd}`, `--${odd} with kubernetes`, 'nothing of the kind: the nodes run already');
  if (list(options['component']).length > 0)
    throw usage('--component', '--component with kubernetes', 'no files of the user: a request of a cluster has no place for them');
  const form = (text(options['form']) ?? 'chart') as KubernetesForm;
  if (!kubernetesForms.includes(form)) throw usage('--form', `--form ${form} with kubernetes`, `one of ${kubernetesForms.join(', ')}`);
  const file = text(options['values']);
  const path = file === undefined ? undefined : resolve(io.cwd, file);
  const values = path === undefined ? undefined : { text: (await readRegular(path, 'configuration')).toString(), path };
  const image = imageOf(text(options['image']));
  const bundles = await bundlesOf(call, words.slice(1));
  const request = requestOf(call, bundles);
  const files = generateKubernetes({ form, values, request, image });
  stopIfAsked(call.context.signal);
  await writeNew(folder, files);
  const fetched: Source[] = image === undefined ? [] : [{ name: image.repository, digest: image.digest }];
  return reply('kubernetes', form, folder, files.map(asMade), [...fetched, ...bundles.flatMap(({ source }) => source ?? [])]);
}

/** A bundle as the request says it, and as what has to be mirrored; a release by its version is known by its catalogue. */
interface Bundle {
  said: NonNullable<NodeRequest['bundles']>[number];
  source?: Source;
}

async function bundlesOf({ options, io, context }: Call, words: string[]): Promise<Bundle[]> {
  const digests = list(options['digest']);
  if (digests.length > words.length)
    throw usage('--digest', `${digests.length} digests for ${words.length} bundles`, 'at most one for each BUNDLE, in order');
  const bundles: Bundle[] = [];
  for (const [index, word] of words.entries()) {
    const digest = digests[index] === undefined ? undefined : checkedDigest(digests[index]);
    if (isVersion(word)) {
      namedRelease({ sources: [word], digests: [digest] });
      bundles.push({ said: { from: word } });
    } else if (isOci(word)) bundles.push(artefact(word, digest));
    else {
      if (isAddress(word) && !word.startsWith('https:'))
        throw usage(word, `${word} is no https address`, 'https://HOST/…/NAME with its --digest');
      const from = text(options['from']);
      if (from !== undefined && isAddress(from) && !from.startsWith('https:'))
        throw usage(
          '--from',
          `--from ${shownAddress(from)} is no https address`,
          'https://HOST/…: the folder on your server that will have it',
        );
      const source = await sourceOf({ word, digest, from, inside: false, cwd: io.cwd, signal: context.signal });
      bundles.push({ said: { from: source.url!, digest: source.digest }, source });
    }
  }
  return bundles;
}

function isVersion(word: string): boolean {
  return word.startsWith('kata@');
}

/** Known by the digest of its manifest; `layer`: that of its layer, which nodes check as well. */
function artefact(word: string, layer: Digest | undefined): Bundle {
  const reference = ociReference(word, (path) => path);
  const source = { name: word, digest: reference.manifest };
  if (reference.kind === 'registry')
    return { said: { from: shownReference(reference), ...(layer !== undefined && { digest: layer }) }, source };
  throw usage(word, `${word} is a folder of this machine`, 'oci://HOST/REPOSITORY@sha256:HEX, which nodes can fetch');
}

/** What the command line says of `request` in the values. What no release and no node could make right is refused here. */
function requestOf(call: Call, bundles: Bundle[]): Partial<NodeRequest> {
  const { options } = call;
  const from = text(options['from']);
  for (const name of list(options['handler'])) handlerRow(name);
  aliasRequests(list(options['alias']));
  for (const name of settingsRequestOf(call).profiles ?? []) profileNamed(name);
  enginesOf(options['engine']);
  const said = {
    bundles: bundles.map((bundle) => bundle.said),
    // A release by its version has no address of its own that --from could change.
    mirror: bundles.some((bundle) => isVersion(bundle.said.from)) ? from : undefined,
    handlers: list(options['handler']),
    aliases: list(options['alias']),
    settings: list(options['set']),
    profiles: list(options['profile']),
    engines: list(options['engine']),
    backend: options['backend'],
    format: options['format'],
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => !isNothing(value))) as Partial<NodeRequest>;
}

function isNothing(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}

function imageOf(word: string | undefined): { repository: string; digest: `sha256:${string}` } | undefined {
  if (word === undefined) return undefined;
  const [, repository, digest] = /^([a-z0-9][A-Za-z0-9._:/-]*)@(sha256:[0-9a-f]{64})$/.exec(word) ?? [];
  if (repository !== undefined && digest !== undefined) return { repository, digest: digest as `sha256:${string}` };
  throw usage('--image', `--image ${word}`, 'REPOSITORY@sha256:HEX: a tag may become another image');
}
